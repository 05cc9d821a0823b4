"""CSV in requests: rows of features, without a label.

Readers with one meaning. A row, and a request of a few, is read by plain Python, which has no
start-up cost and takes 7 us for 30 values; pyarrow reads large bodies in several threads,
without Python's global lock. When either stumbles, the body may begin with a header; if it does
not, ``fault`` reads again, slowly, and names the line and the column.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.blocks import BYTE_ORDER_MARK, blocks_of
from tabular.data.columns import Columns, listed
from tabular.data.csv.faults import Column, Kind, fault
from tabular.data.csv.header import header_of, looks_like_header
from tabular.data.csv.text import MISSING, cells_of, delimiter_of, number_of
from tabular.data.pyarrow_without_pandas import hide_pandas

if TYPE_CHECKING:
    import pyarrow

# Measured: the fastest of 256 KiB to 4 MiB for 6 MB on 2 cores; a thread takes a block at a time.
BLOCK_BYTES = 512 << 10
# Below this a body is read by plain Python: importing pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
# All that numbers, inf and nan are written with, and what parts them.
PLAIN = b"0123456789+-.eEinfatyINFATY,\t;| \n"
ROW = b"0123456789+-.eE,"
EMPTY_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
# To read slowly where pyarrow stumbles: Python takes 50 ms for as much of the shortest lines.
PART_BYTES = 64 << 10


class CsvError(ValueError):
    """A cell or a row that can't be read; the message names line and column."""


def read_body(body: bytes, columns: Columns, header: bool = False) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    header : bool
        The content type says ``header=present``. Without it, a first line with the model's
        names is a header all the same; either way the names tell the order of the columns.

    Returns
    -------
    float32 array, (rows, columns)
        Values go through float64, as in AWS's container. A text that its column of categories
        does not know is missing.

    Raises
    ------
    ColumnsError
        The first row has another number of columns, or the header other names.
    CsvError
        A row or a cell can't be read; names line and column, from 1.
    """
    body = body.strip(b"\r\n").removeprefix(BYTE_ORDER_MARK)
    if not header:
        rows = _read_row(body, columns)
        if rows is None:
            rows = _read_small(body, columns)
        if rows is not None:
            return rows
    found = header_of(body, columns, header)
    if found is None:
        return _read(body, columns, first_line=1)
    rows = _read_small(found.rows, found.columns)
    if rows is None:
        rows = _read(found.rows, found.columns, first_line=2)
    return rows if found.places is None else np.take(rows, found.places, axis=1)


def _read_row(body: bytes, columns: Columns) -> Floats | None:
    """Read one row of plain numbers in as few steps as can be; None if there is anything else."""
    if b"\n" in body or columns.categories:
        return None
    cells = body.split(b",")
    if len(cells) != columns.count or body.translate(None, ROW):
        return None
    try:
        numbers = array("f", map(float, cells))
    except ValueError:
        return None
    return np.frombuffer(numbers, np.float32)[np.newaxis]


def _read_small(body: bytes, columns: Columns) -> Floats | None:
    """Read a few rows of plain numbers; None if there is anything else."""
    if len(body) > SMALL_BODY_BYTES or columns.categories:
        return None
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    # float() takes more than CSV has: underscores, other scripts, ...
    if body.translate(None, PLAIN) or not body.strip():
        return None
    lines = body.decode("ascii").split("\n")
    delimiter = delimiter_of(lines[0]) or ","
    rows = [line.split(delimiter) for line in lines]
    width = len(rows[0])
    if len(rows) > 1 and any(len(row) != width for row in rows):
        return None
    cells = rows[0] if len(rows) == 1 else list(chain.from_iterable(rows))
    try:
        numbers = list(map(float, cells))
    except ValueError:
        try:
            numbers = [float(cell or "nan") for cell in cells]
        except ValueError:
            return None
    if width != columns.count:
        raise ColumnCountError(width, columns.count)
    # array() rounds as NumPy does, and is as quiet about numbers that are infinite in float32.
    return np.frombuffer(array("f", numbers), np.float32).reshape(len(rows), width)


def _read(body: bytes, columns: Columns, first_line: int) -> Floats:
    """Read rows of any size, and name what can't be read."""
    if not body.strip():
        raise CsvError("the body holds no row")
    line = next(_lines(BytesIO(body)), b"").decode("utf-8", errors="replace")
    delimiter = delimiter_of(line) or ","
    found_columns = len(_cells(line, delimiter))
    if found_columns != columns.count:
        raise ColumnCountError(found_columns, columns.count)
    try:
        if len(body) <= SMALL_BODY_BYTES and columns.categories:
            return _read_text(body, delimiter, columns)
        rows = _matrix(_parsed(body, delimiter, columns), columns)
        # To look for empty lines takes a third of the time of parsing: only if there may be one.
        if columns.count > 1 and np.isnan(rows[:, 0]).any() and any(g in body for g in EMPTY_LINES):
            raise ValueError("an empty line, which pyarrow reads as a row of missing values")
        return rows
    except (ValueError, csv.Error) as error:  # pyarrow.ArrowInvalid is a ValueError
        found = _first_fault(body, delimiter, columns, first_line)
        words = found or next(iter(str(error).splitlines()), "no CSV")
        if words.startswith("line 1,") and looks_like_header(body):
            words += "; line 1 looks like a header: " + (
                f"expected the names {listed(columns.names)}" if columns.names else "leave it out"
            )
        raise CsvError(words) from error


def _first_fault(body: bytes, delimiter: str, columns: Columns, first_line: int) -> str | None:
    """Name the first fault; of a large body, only parts that pyarrow refuses are looked at."""
    kinds = [
        Column(Kind.TEXT if place in columns.categories else Kind.NUMBER)
        for place in range(columns.count)
    ]
    body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for part in blocks_of(BytesIO(body), PART_BYTES):
        if len(body) > PART_BYTES and _is_sound(part.content, delimiter, columns):
            continue
        lines = enumerate(_lines(BytesIO(part.content)), first_line + part.first_line - 1)
        found = fault(lines, delimiter, kinds, finite=False, skip_empty=columns.count == 1)
        if found:
            return found
    return None


def _is_sound(part: bytes, delimiter: str, columns: Columns) -> bool:
    """Tell that some lines have no fault; False is a doubt."""
    empty = part.startswith(b"\n") or b"\n\n" in part
    if (columns.count > 1 and empty) or part.count(b'"') % 2:
        return False
    try:
        _matrix(_parsed(part, delimiter, columns), columns)
    except ValueError:
        return False
    return True


def _read_text(body: bytes, delimiter: str, columns: Columns) -> Floats:
    """Read rows with cells of text; a cell that is neither raises ValueError."""
    codes = [columns.codes.get(column) for column in range(columns.count)]
    rows = []
    for line in _lines(BytesIO(body)):
        cells = cells_of(line.decode("utf-8"), delimiter)
        rows.append(
            [_value(cell, known, columns.unknown) for cell, known in zip(cells, codes, strict=True)]
        )
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(np.float32)


def _value(cell: str, codes: Mapping[str, int] | None, unknown: float) -> float:
    if cell in MISSING:
        return np.nan
    if codes is not None:
        return codes.get(cell, unknown)
    number = number_of(cell)
    if number is None:
        raise ValueError(cell)
    return number


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Split at every kind of line end; latin-1 keeps the bytes as they are."""
    text = TextIOWrapper(source, encoding="latin-1", newline=None)
    return (line.rstrip("\n").encode("latin-1") for line in text)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return cells_of(line, delimiter)
    except csv.Error:  # a quote that does not close
        return line.split(delimiter)


def _parsed(body: bytes, delimiter: str, columns: Columns) -> pyarrow.Table:
    """Read a body with pyarrow, float64 and texts; raises its errors."""
    import pyarrow
    import pyarrow.csv

    hide_pandas()

    texts = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = {
        str(place): texts if place in columns.categories else pyarrow.float64()
        for place in range(columns.count)
    }

    def read(block_size: int) -> pyarrow.Table:
        return pyarrow.csv.read_csv(
            pyarrow.BufferReader(body),
            read_options=pyarrow.csv.ReadOptions(column_names=list(types), block_size=block_size),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, null_values=list(MISSING), strings_can_be_null=True
            ),
        )

    try:
        return read(BLOCK_BYTES)
    except pyarrow.ArrowInvalid:
        if len(body) <= BLOCK_BYTES:
            raise
        return read(len(body))  # a row may be longer than a block


def _matrix(table: pyarrow.Table, columns: Columns) -> Floats:
    matrix = np.empty((table.num_rows, columns.count), dtype=np.float32)
    start = 0
    with np.errstate(over="ignore"):  # too large for float32 is infinite
        for batch in table.to_batches():
            # Block by block, whose rows stay in the cache while their columns come in.
            rows = matrix[start : start + batch.num_rows]
            start += batch.num_rows
            for column, values in enumerate(batch.columns):
                codes = columns.codes.get(column)
                found = values if codes is None else _coded(values, codes, columns.unknown)
                rows[:, column] = found.to_numpy(zero_copy_only=False)
    return matrix


def _coded(values: pyarrow.DictionaryArray, codes: Mapping[str, int], unknown: float) -> Any:
    import pyarrow

    texts = values.dictionary.to_pylist()
    if any("\n" in text or "\r" in text for text in texts):
        raise ValueError("a line end in quotes, which ends the row")
    known = pyarrow.array([codes.get(text, unknown) for text in texts], pyarrow.float32())
    return known.take(values.indices)
