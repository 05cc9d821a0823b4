"""What a hyperparameter may be: its kind, its range, and how a value is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tabular.contract.errors import UserError
from tabular.contract.interval import Interval
from tabular.training.hyperparameters.values import (
    items_of,
    literal,
    shown,
    suggestion,
    text_of,
    unreadable,
)

# XGBoost keeps whole numbers in an int and others in a float.
LARGEST_INTEGER = 2**31 - 1
LARGEST_FLOAT = float(np.finfo(np.float32).max)
SMALLEST_FLOAT = float(np.finfo(np.float32).tiny)
SWITCH = {"true": True, "1": True, "false": False, "0": False}
DEVICE = re.compile(r"(cpu)|(?:cuda|gpu)(:[0-9]{1,4})?")


@dataclass(frozen=True)
class Hyperparameter:
    """One row.

    Attributes
    ----------
    kind : str
        What the value is: a key of ``READERS``, or the kind that ``reader`` reads.
    layout : str
        The field of ``data.layout.Layout`` that holds the value, for a hyperparameter that says
        what a column of the data is.
    reader : callable or None
        Reads the value, by the name of the hyperparameter, where the kind belongs to one
        algorithm alone.
    choices : tuple of str
        Of a category, and of the entries of ``choices``.
    passed : bool
        Whether XGBoost gets it; the others steer this package.
    description : str
        One sentence without a full stop.
    default : str
        XGBoost's or ours; the value itself where it depends on nothing, else words.
    tunable : tuple of two numbers
        What the tuner searches when the customer names no range.
    used_with : mapping of str to str
        Other hyperparameters without which this one has no effect.
    removed : str
        For what XGBoost 3 no longer has: what happens instead.
    """

    name: str
    kind: str
    interval: Interval | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    required: bool = False
    passed: bool = True
    description: str = ""
    default: str = ""
    tunable: tuple[float, float] | None = None
    scaling: str = "Linear"  # that of AWS's container
    used_with: Mapping[str, str] = field(default_factory=dict)
    removed: str = ""
    reader: Callable[[str, object], object] | None = None
    layout: str = ""

    def parse(self, value: object) -> object:
        """Read one decoded value.

        Raises
        ------
        UserError
            Names the hyperparameter, the value and what was expected.
        """
        if self.reader is not None:
            return self.reader(self.name, value)
        return READERS[self.kind](self, value)


def _integer(row: Hyperparameter, value: object) -> int:
    try:
        # A float stays refused, as in AWS's container: 3.0 is not a number of rounds. So does
        # a bool, which Python takes for a number.
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError(value)
        number = int(value)
    except ValueError:
        raise unreadable(row.name, "an integer", value) from None
    _require_inside(row, number)
    if number > LARGEST_INTEGER:
        raise UserError(
            f"Hyperparameter {row.name}: {shown(_digits(number))} is more than {LARGEST_INTEGER}, "
            "the largest integer that XGBoost takes"
        )
    return number


def _float(row: Hyperparameter, value: object) -> float:
    number = _number(row, value)
    _require_inside(row, number)
    if number and not SMALLEST_FLOAT <= abs(number) <= LARGEST_FLOAT:
        raise UserError(
            f"Hyperparameter {row.name}: {number:g} is not a 32-bit number, which is what XGBoost "
            f"takes: 0, or between {SMALLEST_FLOAT:.2g} and {LARGEST_FLOAT:.2g}"
        )
    # 1.9999999999 is below 2, but the 32-bit number that XGBoost makes of it is 2.
    _require_inside(row, float(np.float32(number)))
    return number


def _number(row: Hyperparameter, value: object) -> float:
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if math.isnan(number):
        raise unreadable(row.name, "a number", value)
    return number


def _require_inside(row: Hyperparameter, number: int | float) -> None:
    if row.interval is not None and number not in row.interval:
        text = _digits(number) if isinstance(number, int) else f"{number:.9g}"
        raise UserError(f"Hyperparameter {row.name}: {shown(text)} is not in {row.interval}")


def _digits(number: int) -> str:
    # Thousands of digits take str() long, and a reader longer.
    return str(number) if abs(number) < 10**40 else f"an integer of {number.bit_length()} bits"


def _category(row: Hyperparameter, value: object) -> str:
    text = text_of(value)
    if text not in row.choices:
        raise UserError(
            f"Hyperparameter {row.name}: {shown(text)} is not in [{', '.join(row.choices)}]"
            f"{suggestion(text, row.choices)}"
        )
    return text


def _switch(row: Hyperparameter, value: object) -> bool:
    text = text_of(value).strip().lower()
    if isinstance(value, float) or text not in SWITCH:
        raise UserError(f"Hyperparameter {row.name}: {shown(text)} is not in [true, false]")
    return SWITCH[text]


def _list(row: Hyperparameter, value: object) -> list[str]:
    return items_of(row.name, value)


def _choices(row: Hyperparameter, value: object) -> list[str]:
    items = items_of(row.name, value)
    for item in items:
        if item not in row.choices:
            raise UserError(
                f"Hyperparameter {row.name}: value ['{shown(item)}'] not in range "
                f"[{', '.join(row.choices)}]{suggestion(item, row.choices)}"
            )
    return items


def _names(row: Hyperparameter, value: object) -> list[str]:
    items = items_of(row.name, value)
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None:
        raise UserError(
            f"Hyperparameter {row.name}: column {shown(twice)} is given twice; give it once"
        )
    return items


def _name(row: Hyperparameter, value: object) -> str:
    if not isinstance(value, (str, int, float)):
        raise unreadable(row.name, "the name of a column", value)
    return text_of(value).strip()


def _numbers(row: Hyperparameter, value: object) -> list[float]:
    if isinstance(value, str) and value.strip()[:1] in ("[", "("):
        try:
            value = literal(value)
        except ValueError:
            raise unreadable(row.name, "a number or a list of numbers", value) from None
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    items = value if isinstance(value, (list, tuple)) else [value]
    return [_float(row, item) for item in items]


def _device(row: Hyperparameter, value: object) -> str:
    text = text_of(value).strip()
    match = DEVICE.fullmatch(text)
    if match is None:
        raise UserError(
            f"Hyperparameter {row.name}: {shown(text)} is not in [cpu, cuda, cuda:N, gpu]; N is "
            "the number of the GPU, from 0"
        )
    cpu, number = match.groups()
    return cpu or f"cuda{number or ''}"


# To add a kind is to add a function and an entry here.
READERS: Mapping[str, Callable[[Hyperparameter, object], object]] = {
    "integer": _integer,
    "float": _float,
    "category": _category,
    "switch": _switch,
    "list": _list,
    "choices": _choices,
    "names": _names,
    "name": _name,
    "numbers": _numbers,
    "device": _device,
}
