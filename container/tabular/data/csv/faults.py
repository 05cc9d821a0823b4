"""Name the fault in CSV that pyarrow refused: line, column, and what to do."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from tabular.data.cells import CellError, Cells, NumberCells
from tabular.data.csv.text import cells_of, too_many
from tabular.data.quoting import quoted
from tabular.data.spelling import FEW_MISSING, could_be_value

FLOAT32_MAX = float(np.finfo(np.float32).max)
WHOLE = re.compile(r"[ \t]*-?[0-9]+[ \t]*")
INT64 = range(-(1 << 63), 1 << 63)
LABEL_MISSING = (
    "a label or weight is missing; every row needs one (the label is the first column, or the "
    "column that the hyperparameter target names)"
)
ENCODE = "write a missing value as an empty cell or nan, and encode text (labels too) as numbers"


class Kind(Enum):
    """What the cells of a column must hold."""

    UNREAD = auto()
    REQUIRED = auto()  # a number, never missing: label, weight
    GROUP = auto()  # an int64, never missing: qid
    NUMBER = auto()
    CODE = auto()  # a category as a whole number from 0
    TEXT = auto()
    STYLED = auto()  # a formatted number, such as 1,234.5, or a date
    CLASS = auto()  # text, never missing: a text label


PLAIN_NUMBERS = NumberCells(frozenset(FEW_MISSING))


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name : str
        Empty for files without a header.
    cure : str
        What to do about text in a column of numbers, for the message.
    cells : Cells
        Reads the cells of a feature.
    deferred : bool
        In training: text that may be a formatted number, a boolean or a missing value is no
        fault yet, because all values of the column decide what the text means.
    open_to_text : bool
        Any text is no fault yet, because the column may be a category.
    """

    kind: Kind
    name: str = ""
    cure: str = ENCODE
    cells: Cells = PLAIN_NUMBERS
    deferred: bool = False
    open_to_text: bool = False

    @property
    def missing(self) -> frozenset[str]:
        """The texts that mean a missing value."""
        return getattr(self.cells, "missing", frozenset())

    def defers(self, text: str) -> bool:
        """Return whether a text of this column of numbers is no fault yet."""
        return self.deferred and (self.open_to_text or could_be_value(text))


def fault(
    lines: Iterable[tuple[int, bytes]],
    delimiter: str,
    columns: Sequence[Column],
    *,
    finite: bool,
    skip_empty: bool,
    model: str = "the first row",
) -> str | None:
    """Return what is wrong with the first line that can't be read, or None.

    Parameters
    ----------
    lines : iterable of (int, bytes)
        The number of each line, and its content without the line end.
    finite : bool
        Whether infinite values are faults.
    skip_empty : bool
        Whether empty lines are skipped; otherwise they are rows.
    model : str
        The line that all others must have the number of cells of, for the message.
    """
    for number, line in lines:
        if not line and skip_empty:
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        if "\r" in text:
            return (
                f"line {number} has a carriage return (\\r) inside; end lines with \\n or \\r\\n, "
                "and keep line ends out of cells"
            )
        many = too_many(text, delimiter)
        if many:
            return f"line {number} {many}"
        try:
            cells = cells_of(text, delimiter)
        except csv.Error:
            return (
                f"line {number} opens a quote that does not close on it; close it, and keep line "
                "ends out of cells"
            )
        if len(cells) != len(columns):
            return (
                f"line {number} has {len(cells)} cells, {model} has {len(columns)}; give every "
                "row the same number of cells"
            )
        for place, (cell, column) in enumerate(zip(cells, columns, strict=True), start=1):
            wrong = _wrong(cell, column, finite)
            if wrong is not None:
                name = f" ({column.name[:40]})" if column.name else ""
                return f"line {number}, column {place}{name}: {wrong}"
    return None


def _wrong(cell: str, column: Column, finite: bool) -> str | None:
    kind = column.kind
    if kind in (Kind.UNREAD, Kind.TEXT):
        return None
    if kind is Kind.CLASS:
        return LABEL_MISSING if cell in column.missing else None
    if kind is Kind.GROUP:
        return _wrong_group(cell)
    try:
        number = column.cells.text(cell)
    except CellError as error:
        if column.defers(cell):
            return None
        if not isinstance(column.cells, NumberCells):
            return f"{error}; {column.cure}" if str(error) else ""
        if ";" in cell:
            return (
                f"{error}; with semicolons between the cells, decimals need a point and not a comma"
            )
        return f"{error}; {column.cure}"
    if math.isnan(number):
        return LABEL_MISSING if kind is Kind.REQUIRED else None
    if finite and abs(number) > FLOAT32_MAX:
        return f"{quoted(cell)} is too large for a 32-bit number; use a finite one or an empty cell"
    if kind is Kind.CODE and not (number >= 0 and number.is_integer()):
        return f"{quoted(cell)} is no code of a category; codes are whole numbers from 0 on"
    return None


def _wrong_group(cell: str) -> str | None:
    if cell in FEW_MISSING:
        return "the group is missing; every row needs one"
    if not WHOLE.fullmatch(cell):
        return f"{quoted(cell)} is not a whole number; write groups as whole numbers"
    if int(cell) not in INT64:
        return f"{quoted(cell)} is too large for a 64-bit number; write groups as smaller ones"
    return None
