"""Read a value of one column, in text or as JSON, Parquet and NumPy have it, by the schema.

Every format calls these readers, so that a value means the same number in all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tabular.data.dates import DateStyle, seconds_of
from tabular.data.quoting import quoted
from tabular.data.spelling import NumberStyle, missing_numbers, number_of, styled_number

TRUE, FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
# How pandas writes a missing date.
NOT_A_TIME = "NaT"
# A number without leading zeros: 1 and 1.0 are one number, and 01 is a text.
PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


class CellError(ValueError):
    """A value does not fit its column. The message has the value, and what the column takes."""


class Cells(Protocol):
    """The reader of one column; its methods raise CellError for a value that does not fit."""

    @property
    def expected(self) -> str:
        """What the column takes, for messages."""

    def text(self, text: str) -> float:
        """Return the number that a text stands for; NaN for a missing value."""

    def number(self, value: float) -> float:
        """Return the number that a number stands for."""

    def boolean(self, value: bool) -> float:
        """Return the number that a boolean stands for."""


@dataclass(frozen=True)
class NumberCells:
    """A column of numbers.

    Attributes
    ----------
    missing : frozenset of str
        The texts that mean a missing value.
    style : NumberStyle
    """

    missing: frozenset[str]
    style: NumberStyle = NumberStyle.POINT

    @property
    def expected(self) -> str:
        """What the column takes, for messages."""
        style = "" if self.style is NumberStyle.POINT else f" written as {self.style.value}"
        return f"a number{style}"

    def text(self, text: str) -> float:
        """Return the number in a text; NaN for a missing value; raise CellError."""
        if text in self.missing:
            return math.nan
        number = styled_number(text, self.style)
        if number is not None:
            return number
        if text.strip() in self.missing:
            return math.nan
        raise CellError(f"{quoted(text)} is not a number")

    def number(self, value: float) -> float:
        """Return a number as it is."""
        return value

    def boolean(self, value: bool) -> float:
        """Return 1 or 0."""
        return float(value)


@dataclass(frozen=True)
class BooleanCells:
    """A column of booleans: 1 and 0."""

    missing: frozenset[str]
    expected = "true or false"

    @cached_property
    def missing_numbers(self) -> frozenset[float]:
        """The numbers that mean a missing value, such as -1."""
        return frozenset(missing_numbers(self.missing))

    def text(self, text: str) -> float:
        """Return 1 or 0 for a text; NaN for a missing value; raise CellError."""
        if text in self.missing:
            return math.nan
        word = text.strip().lower()
        if word in TRUE:
            return 1.0
        if word in FALSE:
            return 0.0
        number = number_of(text)
        if number is not None and (math.isnan(number) or number in (0, 1)):
            return number
        if text.strip() in self.missing:
            return math.nan
        raise CellError(f"{quoted(text)} is not a boolean")

    def number(self, value: float) -> float:
        """Return 1, 0 or NaN; raise CellError for another number."""
        if value in self.missing_numbers:
            return math.nan
        if value in (0, 1) or math.isnan(value):
            return value
        raise CellError(f"{value:g} is not a boolean")

    def boolean(self, value: bool) -> float:
        """Return 1 or 0."""
        return float(value)


@dataclass(frozen=True)
class DateCells:
    """A column of dates and times: seconds since 1970-01-01 UTC."""

    missing: frozenset[str]
    style: DateStyle = DateStyle.YEAR_FIRST

    @property
    def expected(self) -> str:
        """What the column takes, for messages."""
        return f"a date such as {self.style.value}, or {self.style.value} 10:30:00"

    def text(self, text: str) -> float:
        """Return the seconds of a date; NaN for a missing value; raise CellError."""
        word = text.strip()
        if word in self.missing or word == NOT_A_TIME:
            return math.nan
        found = seconds_of(word, self.style)
        if found is None:  # the year first is clear, whatever the training files have
            found = seconds_of(word, DateStyle.YEAR_FIRST)
        if found is not None:
            return math.nan if found in self.missing_dates else found
        raise CellError(f"{quoted(text)} is not a date")

    @cached_property
    def missing_dates(self) -> frozenset[float]:
        """The dates that mean a missing value, such as 9999-12-31: seconds."""
        found = (seconds_of(text, DateStyle.YEAR_FIRST) for text in self.missing)
        return frozenset(seconds for seconds in found if seconds is not None)

    def moments(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return dates that are not text, float64, (rows,), with NaN for ``missing_dates``."""
        if not self.missing_dates:
            return seconds
        return np.where(np.isin(seconds, [*self.missing_dates]), np.nan, seconds)

    def number(self, value: float) -> float:
        """Return NaN for NaN; raise CellError for a number, which may count from any day."""
        if math.isnan(value):
            return value
        raise CellError(f"{value:.15g} is a number, and the column holds dates")

    def boolean(self, value: bool) -> float:
        """Raise CellError."""
        raise CellError(f"{str(value).lower()} is a boolean, and the column holds dates")


@dataclass(frozen=True)
class CategoryCells:
    """A column of categories: the code of each text.

    Attributes
    ----------
    texts : sequence of str
        The categories, in the order of their codes 0, 1, ...
    missing : frozenset of str
        The texts that mean a missing value.
    unknown : float or None
        The code of a text that is none of the categories; None refuses it.
    lenient : bool
        A text that differs from one category only by case or blanks is that category, and so is a
        number that equals one. False for artifacts without a schema.
    count : callable
        Called for each text that is none of the categories.
    """

    texts: Sequence[str]
    missing: frozenset[str]
    unknown: float | None = math.nan
    lenient: bool = True
    count: Callable[[], None] = lambda: None
    expected = "one of the categories of training"

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each category."""
        return {text: code for code, text in enumerate(self.texts)}

    @cached_property
    def _folded(self) -> dict[str, int]:
        """The code of each category whose text without case and blanks no other category has."""
        found: dict[str, list[int]] = {}
        for text, code in self.codes.items():
            found.setdefault(folded(text), []).append(code)
        return {text: codes[0] for text, codes in found.items() if len(codes) == 1}

    @cached_property
    def _numbers(self) -> dict[float, int]:
        """The code of each category that is a number: 1 rather than 01; none of 01 and 1.0."""
        found: dict[float, list[int]] = {}
        for text, code in self.codes.items():
            number = number_of(text)
            if number is not None:
                found.setdefault(number, []).append(code)
        one = {number: codes[0] for number, codes in found.items() if len(codes) == 1}
        return one | self._plain

    @cached_property
    def _plain(self) -> dict[float, int]:
        """The code of each category that is a number without leading zeros."""
        return {
            float(text): code
            for text, code in reversed(self.codes.items())
            if PLAIN.fullmatch(text)
        }

    def text(self, text: str) -> float:
        """Return the code of a text; NaN for a missing value; raise CellError."""
        code = self.codes.get(text)
        if code is not None:
            return code
        if text in self.missing:
            return math.nan
        if self.lenient:
            code = self._folded.get(folded(text))
            if code is None and self._numbers:
                number = number_of(text)  # 1.0 for the category 1
                code = None if number is None else self._numbers.get(number)
            if code is not None:
                return code
            if text.strip() in self.missing:
                return math.nan
        else:
            code = self._spelled(text)
            if code is not None:
                return code
        return self._unknown(quoted(text))

    def _unknown(self, shown: str) -> float:
        self.count()
        if self.unknown is None:
            raise CellError(f"{shown} is none of the categories of training")
        return self.unknown

    @property
    def has_numbers(self) -> bool:
        """Whether a category is a number."""
        return bool(self._numbers)

    def _spelled(self, text: str) -> int | None:
        """Return the code of the category that is the same boolean or number as a text."""
        if PLAIN.fullmatch(text):
            return self._plain.get(float(text))
        return self._folded.get(text.lower()) if text.lower() in ("true", "false") else None

    def number(self, value: float) -> float:
        """Return the code of the category that is this number; NaN stays NaN; raise CellError."""
        if math.isnan(value):
            return value
        numbers = self._numbers if self.lenient else self._plain
        if not (numbers or self.lenient):
            raise CellError(f"{value:g} is a number, and the column's categories are text")
        code = numbers.get(value)
        if code is not None:
            return code
        return self._unknown(f"{value:g}")

    def boolean(self, value: bool) -> float:
        """Return the code of the category ``True`` or ``False``; raise CellError."""
        code = self._folded.get(str(value).lower())
        if code is None and self.lenient:
            return self.text(str(value))
        if code is None:
            raise CellError(f"{str(value).lower()} is a boolean, and the categories are text")
        return code


@dataclass(frozen=True)
class RefusedCells:
    """A column with a text whose place in the files is looked for: the reader's error has it."""

    word: str
    expected = ""

    def text(self, text: str) -> float:
        """Return 0; raise CellError, without words, for the text."""
        if text.strip() == self.word:
            raise CellError("")
        return 0.0

    def number(self, value: float) -> float:
        """Return 0 for any number."""
        return 0.0

    def boolean(self, value: bool) -> float:
        """Return 0; raise CellError, without words, for the text of the boolean."""
        return self.text(str(value))


@dataclass(frozen=True)
class IgnoredCells:
    """A column of a request that is no feature of the model."""

    expected = "any value"

    def text(self, text: str) -> float:
        """Return 0 for any text."""
        return 0.0

    def number(self, value: float) -> float:
        """Return 0 for any number."""
        return 0.0

    def boolean(self, value: bool) -> float:
        """Return 0 for any boolean."""
        return 0.0


def explained(error: CellError, cells: Cells) -> str:
    """Return why a value does not fit its column, and what the column takes."""
    return f"{error}; expected {cells.expected}" if cells.expected else str(error)


def value_of(value: Any, cells: Cells) -> float:
    """Return the number that a Python value stands for in its column; None is missing.

    Raises
    ------
    CellError
        The value does not fit the column.
    """
    if value is None:
        return math.nan
    if isinstance(value, str):
        return cells.text(value)
    if isinstance(value, bool):
        return cells.boolean(value)
    if isinstance(value, (int, float)):
        return cells.number(value)
    raise CellError(f"a {type(value).__name__} is neither a number nor a text")


def folded(text: str) -> str:
    """Return a text without its case, and with single blanks.

    >>> folded("  New  York ")
    'new york'
    """
    return " ".join(text.split()).casefold()
