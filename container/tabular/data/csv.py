"""CSV without a header: one row a line, the label first in training data.

Two readers with one meaning. pyarrow reads files and large bodies, in blocks and without
Python's global lock; a request of a few rows is read by plain Python, which has no start-up
cost and takes 10 us for 30 values. When either stumbles, ``fault`` reads again, slowly, and
names the line and the column.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, ColumnCountError, Floats

if TYPE_CHECKING:
    import pyarrow

NAME = "csv"
CONTENT_TYPES = ("text/csv", "csv")

# A value is missing when its cell is one of these; pyarrow's own list (NA, null, ...) would
# hide text cells. float() and pyarrow read every other spelling of nan.
MISSING = ("", "nan", "NaN", "NAN")
DELIMITERS = (",", "\t", ";", "|", " ")
BLOCK_BYTES = 4 << 20
# Below this a body is read by plain Python: importing pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
FLOAT32_MAX = float(np.finfo(np.float32).max)
# All that numbers, inf and nan are written with, and what parts them.
PLAIN = b"0123456789+-.eEinfatyINFATY,\t;| \n"
EMPTY_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvError(ValueError):
    """A cell or a row that can't be read; the message names line and column."""


def delimiter_of(line: str) -> str | None:
    """Find the delimiter of a line of numbers, or None when there is a single cell."""
    return next((candidate for candidate in DELIMITERS if candidate in line), None)


def read_file(path: Path, weights: bool = False) -> Iterator[Batch]:
    """Read a training file in blocks.

    Parameters
    ----------
    weights : bool
        Whether the second column holds each row's weight.

    Raises
    ------
    UserError
        The file has a header, a text cell, a row of another length, no features, or is no
        text; names file, line and column.
    """
    first = 2 if weights else 1  # the feature columns begin here
    delimiter, columns = _layout(path)
    if columns <= first:
        raise UserError(
            f"{path} has {columns} column{'s' * (columns > 1)}, expected the label"
            f"{', the weight' if weights else ''} and at least one feature on each line"
        )
    try:
        for matrix in _blocks(str(path), delimiter, columns, skip_empty_lines=True):
            if np.isinf(matrix).any() or np.isnan(matrix[:, :first]).any():
                raise ValueError("an infinite value or a missing label")
            yield Batch(
                features=matrix[:, first:],
                label=matrix[:, 0].copy(),
                weight=matrix[:, 1].copy() if weights else None,
            )
    except ValueError as error:  # pyarrow.ArrowInvalid is one
        with path.open("rb") as source:
            found = fault(source, delimiter, columns, required=first, finite=True)
        raise UserError(f"{path} {found or f'is not CSV: {_first_line(error)}'}") from error


def read_body(body: bytes, columns: int) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    columns : int
        How many the model expects.

    Returns
    -------
    float32 array, (rows, columns)
        Values go through float64, as in AWS's container.

    Raises
    ------
    ColumnCountError
        The first row has another number of columns.
    CsvError
        A row or a cell can't be read; names line and column, from 1.
    """
    body = body.strip(b"\r\n").removeprefix(BYTE_ORDER_MARK)
    if not body.strip():
        raise CsvError("the body holds no row")
    if len(body) <= SMALL_BODY_BYTES:
        try:
            rows = _read_small(body)
        except ValueError:
            pass  # a quoted cell, or a fault that the other reader names
        else:
            if rows.shape[1] != columns:
                raise ColumnCountError(rows.shape[1], columns)
            return rows
    line = next(_lines(BytesIO(body)), b"").decode("utf-8", errors="replace")
    delimiter = delimiter_of(line) or ","
    found_columns = len(_cells(line, delimiter))
    if found_columns != columns:
        raise ColumnCountError(found_columns, columns)
    try:
        if columns > 1 and any(gap in body for gap in EMPTY_LINES):
            raise ValueError("an empty line, which pyarrow would read as a row of missing values")
        return np.concatenate(list(_blocks(body, delimiter, columns, skip_empty_lines=False)))
    except ValueError as error:  # pyarrow.ArrowInvalid is one
        found = fault(BytesIO(body), delimiter, columns, required=0, finite=False)
        raise CsvError(found or _first_line(error)) from error


def line_of(path: Path, row: int) -> int:
    """Find the line, from 1, on which a row, from 0, stands; empty lines are no rows."""
    with path.open("rb") as source:
        for number, line in enumerate(_lines(source), start=1):
            if line:
                if row == 0:
                    return number
                row -= 1
    raise IndexError(row)


def fault(
    source: BinaryIO, delimiter: str, columns: int, required: int, finite: bool
) -> str | None:
    """Find the first line that can't be read, and say what is wrong with it.

    Parameters
    ----------
    required : int
        How many columns, from the left, must not be missing (label, weight).
    finite : bool
        Whether infinite values are refused too.
    """
    for number, line in enumerate(_lines(source), start=1):
        if not line and (required or columns == 1):
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        cells = _cells(text, delimiter)
        if len(cells) != columns:
            return (
                f"line {number} has {len(cells)} cells, the first row has {columns}; give every "
                "row the same number of cells"
            )
        for column, cell in enumerate(cells, start=1):
            wrong = _wrong(cell, missing_allowed=column > required, finite=finite)
            if wrong:
                return f"line {number}, column {column}: {wrong}"
    return None


def _wrong(cell: str, missing_allowed: bool, finite: bool) -> str | None:
    number = math.nan if cell in MISSING else _number(cell)
    if number is None:
        return f"{_shown(cell)} is not a number{_hint(cell)}"
    if math.isnan(number):
        return None if missing_allowed else "a label or weight is missing; every row needs one"
    if finite and abs(number) > FLOAT32_MAX:
        return f"{_shown(cell)} is too large for a 32-bit number; use a finite one or an empty cell"
    return None


def _hint(cell: str) -> str:
    if ";" in cell:
        return "; with semicolons between the cells, decimals need a point and not a comma"
    return "; a missing value is an empty cell or nan, and text (labels too) is to be encoded"


def _number(cell: str) -> float | None:
    # float() also takes 1_000 and digits of other scripts, which no CSV reader does.
    if "_" in cell or not cell.isascii():
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")


def _layout(path: Path) -> tuple[str, int]:
    """Find delimiter and number of columns on the first line, and refuse a header."""
    with path.open("rb") as source:
        start = BytesIO(source.read(BLOCK_BYTES))
    head = next((line for line in _lines(start) if line), b"")
    if b"\x00" in head[:1024]:
        raise UserError(f"{path} is not text (UTF-16 or binary); save it as CSV in UTF-8")
    try:
        line = head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} line 1: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from error
    delimiter = delimiter_of(line)
    if delimiter is None:
        raise UserError(
            f"{path} line 1 is {_shown(line)}: no delimiter (comma, tab, semicolon, bar or space) "
            "found; expected the label and the features on each line"
        )
    cells = _cells(line, delimiter)
    texts = [cell for cell in cells if cell.strip() and _number(cell) is None]
    if texts and len(texts) == sum(1 for cell in cells if cell.strip()):
        raise UserError(
            f"{path} line 1 looks like a header ({', '.join(_shown(cell) for cell in texts[:3])}"
            f"{', ...' if len(texts) > 3 else ''}); training data has no header: delete that "
            "line, or take the file out if it is no data"
        )
    return delimiter, len(cells)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Split at every kind of line end; latin-1 keeps the bytes as they are."""
    text = TextIOWrapper(source, encoding="latin-1", newline=None)
    for number, line in enumerate(text):
        content = line.rstrip("\n").encode("latin-1")
        yield content.removeprefix(BYTE_ORDER_MARK) if number == 0 else content


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [""])
    except csv.Error:  # a quote that does not close, a NUL
        return line.split(delimiter)


def _blocks(
    source: str | bytes, delimiter: str, columns: int, skip_empty_lines: bool
) -> Iterator[Floats]:
    """Read a file's name or a body with pyarrow; raises its errors."""
    import pyarrow
    import pyarrow.csv

    names = [str(column) for column in range(columns)]
    reader = pyarrow.csv.open_csv(
        source if isinstance(source, str) else pyarrow.BufferReader(source),
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, ignore_empty_lines=skip_empty_lines
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.float64()), null_values=list(MISSING)
        ),
    )
    with reader:
        for block in reader:
            yield _matrix(block)


def _matrix(block: pyarrow.RecordBatch) -> Floats:
    matrix = np.empty((block.num_rows, block.num_columns), dtype=np.float32)
    with np.errstate(over="ignore"):  # too large for float32 is infinite, which is looked for
        for column, values in enumerate(block.columns):
            matrix[:, column] = values.to_numpy(zero_copy_only=False)
    return matrix


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _read_small(body: bytes) -> Floats:
    body = body.replace(b"\r\n", b"\n")
    if body.translate(None, PLAIN):
        raise ValueError("float() takes more than CSV has: underscores, other scripts, ...")
    lines = body.decode("ascii").split("\n")
    delimiter = delimiter_of(lines[0]) or ","
    rows = [[float(cell or "nan") for cell in line.split(delimiter)] for line in lines]
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(np.float32)
