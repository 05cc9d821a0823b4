"""Read a value of a column of numbers or booleans that an estimator encodes as categories."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular.data.cells import FALSE, TRUE, CellError, Cells
from tabular.data.quoting import quoted
from tabular.data.spelling import number_of

WHOLE, LONGEST_WHOLE = re.compile(r"[+-]?[0-9]+"), 20
# float32 and float64 hold all whole numbers below these.
FIRST_INEXACT, FIRST_INEXACT_DOUBLE = 1 << 24, 1 << 53


@dataclass(frozen=True)
class ValueCells:
    """A column of numbers or booleans that an estimator takes as categories: their codes.

    Attributes
    ----------
    values : sequence of bool, int or float
        The categories, in the order of their codes 0, 1, ...
    missing : frozenset of str
        The texts that mean a missing value.
    unknown : float
        The code of a number that is none of the categories.
    exact : bool
        Numbers have all their digits. False for formats that hold float32.
    """

    values: Sequence[bool | int | float]
    missing: frozenset[str]
    unknown: float
    count: Callable[[], None] = lambda: None
    exact: bool = True

    @property
    def expected(self) -> str:
        """What the column takes, for messages."""
        return "true or false" if self._boolean else "a number"

    @cached_property
    def _boolean(self) -> bool:
        return all(isinstance(value, bool) for value in self.values)

    @cached_property
    def _codes(self) -> dict[float, int]:
        return {value: code for code, value in enumerate(self.values)}

    @cached_property
    def _long(self) -> bool:
        """Whether a float can't hold all digits of the categories."""
        return any(
            isinstance(value, int) and abs(value) >= FIRST_INEXACT_DOUBLE for value in self.values
        )

    @cached_property
    def _rounded(self) -> dict[float, int]:
        """The code of the float32 nearest to each category that is no whole number."""
        found = array("f", [value if value % 1 else 0 for value in self.values])
        return {value: code for code, value in enumerate(found) if value}

    @cached_property
    def _binary(self) -> bool:
        return self._codes.keys() <= {0, 1}

    def text(self, text: str) -> float:
        """Return the code of the number in a text; NaN for a missing value; raise CellError."""
        word = text.strip()
        if word in self.missing:
            return math.nan
        if WHOLE.fullmatch(word) and len(word) <= LONGEST_WHOLE:
            return self.number(int(word))  # a float would not hold all digits
        if self._binary and word.lower() in TRUE + FALSE:
            return self.number(word.lower() in TRUE)
        number = number_of(text)
        if number is None:
            raise CellError(f"{quoted(text)} is not {self._kind}")
        return self.number(number)

    @property
    def _kind(self) -> str:
        return "a boolean" if self._boolean else "a number"

    def number(self, value: float) -> float:
        """Return the code of a number; NaN stays NaN; raise CellError for a wrong boolean."""
        if not self.exact and abs(value) >= FIRST_INEXACT and math.isfinite(value):
            raise CellError(f"{value:.0f} may be another number, which 32 bits do not hold")
        if isinstance(value, float) and abs(value) >= FIRST_INEXACT_DOUBLE and self._long:
            raise CellError(f"{value:.0f} may be another number, which 64 bits do not hold")
        code = self._codes.get(value, self._rounded.get(value))
        if code is not None:
            return code
        if math.isnan(value):
            return math.nan
        if self._boolean and value not in (0, 1):
            raise CellError(f"{value:g} is not a boolean")
        self.count()
        return self.unknown

    def boolean(self, value: bool) -> float:
        """Return the code of 1 or 0."""
        return self.number(value)


def for_dtype(cells: Cells, dtype: np.dtype[Any]) -> Cells:
    """Return the reader of a column for values of a NumPy dtype: float32 has fewer digits."""
    if isinstance(cells, ValueCells) and dtype == np.float32:
        return replace(cells, exact=False)
    return cells
