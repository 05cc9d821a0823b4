"""A row in a table of hyperparameters: its kind, its range, and how its value is read."""

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

# XGBoost stores integers as int and other numbers as float, both of 32 bits.
LARGEST_INTEGER = 2**31 - 1
LARGEST_FLOAT = float(np.finfo(np.float32).max)
SMALLEST_FLOAT = float(np.finfo(np.float32).tiny)
SWITCH = {"true": True, "1": True, "false": False, "0": False}
DEVICE = re.compile(r"(cpu)|(?:cuda|gpu)(:[0-9]{1,4})?")


@dataclass(frozen=True)
class Hyperparameter:
    """A row in a table of hyperparameters.

    Attributes
    ----------
    kind : str
        The kind of the value: a key of ``READERS``, or any name if ``reader`` is set.
    interval : Interval or None
        The allowed range of a number.
    choices : tuple of str
        The allowed values of the kinds ``category`` and ``choices``.
    passed : bool
        Whether the hyperparameter is passed to XGBoost. If not, this package uses it.
    description : str
        One sentence without a full stop, for the documentation.
    default : str
        The default of XGBoost or of this package: a value, or words if there is no fixed value.
    tunable : tuple of two numbers
        The range for SageMaker's tuner, if the customer gives no range.
    used_with : mapping of str to str
        Other hyperparameters and the values that they need, so that this row has an effect.
    removed : str
        For a hyperparameter that XGBoost 3 has removed: the behaviour of this image.
    reader : callable or None
        Called with the name and the value to read a kind that only one algorithm has.
    layout : str
        The field of ``data.layout.Layout`` that gets the value, for a hyperparameter that describes
        the columns of the data.
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
    scaling: str = "Linear"  # as in AWS's container
    used_with: Mapping[str, str] = field(default_factory=dict)
    removed: str = ""
    reader: Callable[[str, object], object] | None = None
    layout: str = ""

    def parse(self, value: object) -> object:
        """Read one decoded value.

        Raises
        ------
        UserError
            The value can't be read or is out of range. The message names the hyperparameter, the
            value and what was expected.
        """
        if self.reader is not None:
            return self.reader(self.name, value)
        return READERS[self.kind](self, value)


def _integer(row: Hyperparameter, value: object) -> int:
    try:
        # AWS's container refuses a float such as 3.0 too. A bool, which is an int in Python, is
        # refused.
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
    # 1.9999999999 is below 2, but XGBoost rounds it to the 32-bit number 2.
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
    # str() of thousands of digits is slow, and the result is not readable.
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


# To add a kind, add a function and an entry here.
READERS: Mapping[str, Callable[[Hyperparameter, object], object]] = {
    "integer": _integer,
    "float": _float,
    "category": _category,
    "switch": _switch,
    "list": _list,
    "choices": _choices,
    "names": _names,
    "texts": _names,
    "name": _name,
    "numbers": _numbers,
    "device": _device,
}
