"""What a hyperparameter may be: its kind, its range, and how a value is read."""

from __future__ import annotations

import ast
import difflib
import math
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from tabular.contract.errors import UserError

SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Interval:
    """A range of numbers; ``low_open`` and ``high_open`` say whether the ends are outside."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = True

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        ends = [f"{end:+}" if end in (inf, -inf) else str(end) for end in (self.low, self.high)]
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{ends[0]}, {ends[1]}{right}"


@dataclass(frozen=True)
class Hyperparameter:
    """One row.

    Attributes
    ----------
    kind : {"integer", "float", "category", "list"}
        A list is comma separated.
    passed : bool
        Whether XGBoost gets it; the others steer this package.
    """

    name: str
    kind: str
    interval: Interval | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    required: bool = False
    passed: bool = True

    def parse(self, value: object) -> object:
        """Read one decoded value.

        Raises
        ------
        UserError
            Names the hyperparameter, the value and what was expected.
        """
        if self.kind == "integer":
            return self._in_interval(self._integer(value))
        if self.kind == "float":
            return self._in_interval(self._float(value))
        if self.kind == "list":
            return self._list(value)
        return self._category(_text(value))

    def _integer(self, value: object) -> int:
        try:
            # A float stays refused, as in AWS's container: 3.0 is not a number of rounds.
            return int(value) if isinstance(value, (int, str)) else int(str(value))
        except ValueError:
            raise self._unreadable("an integer", value) from None

    def _float(self, value: object) -> float:
        try:
            number = float(value) if isinstance(value, (int, float)) else float(str(value))
        except (ValueError, OverflowError):
            number = math.nan
        if math.isnan(number):
            raise self._unreadable("a number", value)
        return number

    def _in_interval(self, value: int | float) -> int | float:
        if self.interval is not None and value not in self.interval:
            raise UserError(f"Hyperparameter {self.name}: {value} is not in {self.interval}")
        return value

    def _category(self, value: str) -> str:
        if value not in self.choices:
            raise UserError(
                f"Hyperparameter {self.name}: {shown(value)} is not in [{', '.join(self.choices)}]"
                f"{suggestion(value, self.choices)}"
            )
        return value

    def _list(self, value: object) -> list[str]:
        if isinstance(value, str) and value[:1] in ("[", "("):
            # The generic Estimator sends str(["auc", "logloss"]).
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                value = ast.literal_eval(value)
        items = value if isinstance(value, (list, tuple)) else _text(value).split(",")
        return [_text(item).strip() for item in items if _text(item).strip()]

    def _unreadable(self, expected: str, value: object) -> UserError:
        return UserError(
            f"Hyperparameter {self.name}: could not parse value (caused by ValueError): "
            f"expected {expected}, got {shown(repr(value))}"
        )


def shown(text: str) -> str:
    """Shorten what the customer wrote: SageMaker takes 2,500 characters, and shows 1,024."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """Offer the nearest known name, for an error message."""
    close = difflib.get_close_matches(name, known, n=1)
    return f". Did you mean {close[0]}?" if close else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
