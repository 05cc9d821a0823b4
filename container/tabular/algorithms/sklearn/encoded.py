"""The values that an encoder knows, in the types of the frame that it was fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Floats
from tabular.data.cells import CategoryCells, Cells, value_of
from tabular.data.encoded_cells import ValueCells, for_dtype
from tabular.data.spelling import FEW_MISSING

TEXT, NUMBERS = "OU", "biuf"  # NumPy's kinds
# The code of a value that is none of the categories. A missing value is NaN.
UNKNOWN = -1.0
# Replaces an unknown text in a frame. No text column has this value.
UNKNOWN_TEXT = "\0"


@dataclass(frozen=True)
class EncodedColumn:
    """A column that an encoder reads.

    Attributes
    ----------
    values : tuple of str, bool, int or float
        The categories, in the order of their codes.
    kind : str
        NumPy's kind of the column in the frame that the encoder was fitted on.
    missing : None or float
        The missing value of that frame.
    single : bool
        The frame has float32 in the column.
    """

    values: tuple[Any, ...]
    kind: str
    missing: Any = math.nan
    single: bool = False

    @property
    def numbers(self) -> bool:
        """Whether the categories are numbers or booleans."""
        return not any(isinstance(value, str) for value in self.values)

    @cached_property
    def exact(self) -> bool:
        """Whether float32 tells the categories apart, and from the numbers beside them."""
        rounded = {float(np.float32(value)) for value in self.values}
        return len(rounded) == len(self.values) and all(abs(each) < 1 << 24 for each in rounded)

    @cached_property
    def unknown(self) -> Any:
        """A value that is none of the categories."""
        if not self.numbers:
            return UNKNOWN_TEXT
        if self.kind in "biu":
            highest, lowest = int(max(self.values)), int(min(self.values))
            return highest + 1 if highest < np.iinfo(np.int64).max else lowest - 1
        return 2 * max(abs(value) for value in self.values) + 1

    @cached_property
    def cells(self) -> Cells:
        """The reader of the column."""
        missing = frozenset(FEW_MISSING)
        if self.numbers:
            return ValueCells(self.values, missing, UNKNOWN)
        return CategoryCells(self.values, missing, UNKNOWN, lenient=False)

    def read(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values of a request as the encoder knows them, in whatever type they come.

        A value that is none of the categories stays as it is.

        Raises
        ------
        CellError
            A text is in a column of numbers, or a number in a column of texts.

        Examples
        --------
        >>> encoded_column(np.array([1, 2])).read(np.array(["1.0", 2, "7"], dtype=object))
        array([1, 2, 7])
        """
        cells = for_dtype(self.cells, values.dtype)
        found = np.empty(len(values), dtype=object)
        found[:] = [self._value(value, cells) for value in values.tolist()]
        return self.typed(found)

    def _value(self, value: Any, cells: Cells) -> Any:
        code = value_of(value, cells)
        if code == UNKNOWN:
            if not self.numbers:
                return str(value)
            return float(value) if isinstance(value, str) else value
        return self.missing if math.isnan(code) else self.values[int(code)]

    def decoded(self, codes: Floats) -> npt.NDArray[Any]:
        """Return the values that codes stand for: NaN is missing, and -1 is unknown."""
        # Index -1 is the unknown value, and index -2 the missing one.
        table = np.array([*self.values, self.missing, self.unknown], dtype=object)
        places = np.where(np.isnan(codes), -2, codes).astype(np.int64)
        return self.typed(table[places])

    def snapped(self, numbers: Floats) -> npt.NDArray[Any]:
        """Return numbers with the exact category in place of the float32 that is nearest to it."""
        found = numbers.astype(np.float64)
        for value in self.values:
            found[numbers == np.float32(value)] = value
        return self.typed(found)

    def typed(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an object array in the type of the frame that the encoder was fitted on."""
        if self.kind in TEXT:
            return values
        missing = any(value != value for value in values.tolist())
        if self.kind == "f" or missing:
            return values.astype(np.float32 if self.single else np.float64)
        if self.kind == "b" and all(value in (0, 1) for value in values.tolist()):
            return values.astype(np.bool_)
        whole = all(float(value).is_integer() for value in values.tolist())
        return values.astype(np.int64 if whole else np.float64)


def encoded_column(known: npt.NDArray[Any]) -> EncodedColumn | None:
    """Return the column of an encoder's categories; None if they are neither texts nor numbers.

    >>> encoded_column(np.array(["a", None], dtype=object))
    EncodedColumn(values=('a',), kind='O', missing=None, single=False)
    >>> encoded_column(np.array([False, True])).decoded(np.float32([1, 0]))
    array([ True, False])
    """
    # The shortest decimal number of a float32, as text has it.
    single = known.dtype in (np.float16, np.float32)
    listed = [float(str(value)) for value in known] if single else known.tolist()
    missing = [value for value in listed if value is None or value != value]
    values = [value for value in listed if value is not None and value == value]
    if known.dtype.kind not in TEXT + NUMBERS or not values:
        return None
    kinds = {str if isinstance(value, str) else float for value in values}
    if len(kinds) > 1 or not all(isinstance(value, (str, bool, int, float)) for value in values):
        return None
    only_none = bool(missing) and all(value is None for value in missing)
    return EncodedColumn(tuple(values), known.dtype.kind, None if only_none else math.nan, single)
