"""Read CSV in requests: rows of features, without a label.

All readers give the same rows. Plain Python reads small bodies: it has no start-up cost and takes
7 us for 30 values. pyarrow reads large bodies in several threads, without Python's global lock.
When a reader fails, the body may begin with a header. If it does not, ``faults`` reads the body
line by line, and names the line and the column.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO, TextIOWrapper
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tabular.data.batch import ColumnCountError, ColumnsError, Floats
from tabular.data.blocks import BYTE_ORDER_MARK, blocks_of
from tabular.data.cells import Cells, NumberCells
from tabular.data.columns import Columns
from tabular.data.csv.faults import Column, Kind, fault
from tabular.data.csv.header import header_of, looks_like_header
from tabular.data.csv.text import DELIMITERS, cells_of, delimiter_of
from tabular.data.pyarrow_without_pandas import hide_pandas
from tabular.data.quoting import listed
from tabular.data.spelling import FEW_MISSING

if TYPE_CHECKING:
    import pyarrow

# Measured: the fastest of 256 KiB to 4 MiB for 6 MB on 2 cores; a thread takes a block at a time.
BLOCK_BYTES = 512 << 10
# Plain Python reads bodies up to this size. To import pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
# The characters of numbers, inf and nan, delimiters and line ends.
PLAIN = b"0123456789+-.eEinfatyINFATY,\t;| \n"
ROW = b"0123456789+-.eE,"
EMPTY_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
# Parts of this size are read line by line where pyarrow fails. Python takes 50 ms for a part of the
# shortest lines.
PART_BYTES = 64 << 10
# Lines that are judged where a body has another number of columns than the model.
JUDGED_LINES = 100


class CsvError(ValueError):
    """A cell or a row can't be read. The message names line and column."""


def read_body(body: bytes, columns: Columns, header: bool = False) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    header : bool
        The content type says ``header=present``. Otherwise the first line is a header when it has
        the model's names. The names in a header give the order of the columns.

    Returns
    -------
    float32 array, (rows, columns)
        Values are parsed as float64 first, as in AWS's container. In a column of categories, a
        text that the model does not know is missing.

    Raises
    ------
    ColumnsError
        The first row has another number of columns, or the header has other names.
    CsvError
        A row or a cell can't be read. The message names line and column, from 1.
    """
    body = body.strip(b"\r\n").removeprefix(BYTE_ORDER_MARK)
    try:
        return _rows(body, columns, header)
    except (ColumnsError, CsvError) as error:
        if _is_json(body):
            raise CsvError("the body is JSON: send it as application/json") from error
        raise


def _is_json(body: bytes) -> bool:
    """Return whether a body that is no CSV is a JSON document, or JSON Lines."""
    start = body.lstrip()[:1]
    if start not in (b"{", b"["):
        return False
    for part in (body, body.partition(b"\n")[0]):
        with suppress(ValueError, RecursionError):
            return isinstance(json.loads(part), dict | list)
    return False


def _rows(body: bytes, columns: Columns, header: bool) -> Floats:
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
    """Read one row of plain numbers, as fast as possible; return None for any other body."""
    if b"\n" in body or columns.special:
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
    """Read a small body of plain numbers; return None for any other body."""
    if len(body) > SMALL_BODY_BYTES or columns.special:
        return None
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    # float() accepts more than CSV: underscores, digits of other scripts, ...
    if body.translate(None, PLAIN) or not body.strip():
        return None
    lines = body.decode("ascii").split("\n")
    delimiter = _delimiter(lines[0], columns)
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
    # array() rounds as NumPy does, and gives no warning for numbers that are infinite in float32.
    return np.frombuffer(array("f", numbers), np.float32).reshape(len(rows), width)


def _read(body: bytes, columns: Columns, first_line: int) -> Floats:
    """Read a body of any size; raise the error that names line and column."""
    if not body.strip():
        raise CsvError("the body holds no row")
    line = next(_lines(BytesIO(body)), b"").decode("utf-8", errors="replace")
    delimiter = _delimiter(line, columns)
    found_columns = len(_cells(line, delimiter))
    if found_columns != columns.count:
        _require_numbers(body, delimiter, columns, found_columns, first_line)
        raise ColumnCountError(found_columns, columns.count)
    try:
        if len(body) <= SMALL_BODY_BYTES and columns.special:
            return _read_text(body, delimiter, columns)
        rows = _matrix(_parsed(body, delimiter, columns), columns)
        # The search for empty lines takes a third of the time of parsing, so it is made only when a
        # row begins with a missing value.
        if columns.count > 1 and np.isnan(rows[:, 0]).any() and any(g in body for g in EMPTY_LINES):
            raise ValueError("an empty line, which pyarrow reads as a row of missing values")
        return rows
    except (ValueError, csv.Error) as error:  # pyarrow.ArrowInvalid is a ValueError
        found = _first_fault(body, delimiter, columns, first_line)
        if found is None:  # pyarrow takes no blanks around the spelling of a missing value
            with suppress(ValueError, csv.Error):
                return _read_text(body, delimiter, columns)
        reason = found or next(iter(str(error).splitlines()), "no CSV")
        if reason.startswith("line 1,") and looks_like_header(body):
            reason += "; line 1 looks like a header: " + (
                f"expected the names {listed(columns.names)}" if columns.names else "leave it out"
            )
        raise CsvError(reason) from error


def _require_numbers(
    body: bytes, delimiter: str, columns: Columns, found: int, first_line: int
) -> None:
    """Refuse a body that is no CSV of numbers, whatever its number of columns.

    Raises
    ------
    CsvError
        A cell is not a number, or a row has another number of cells. Where the model has columns of
        text, nobody can tell which cell is one.
    """
    if columns.special:
        return
    cells = NumberCells(frozenset(columns.missing))
    kinds = [Column(Kind.NUMBER, cure=f"expected {cells.expected}", cells=cells)] * found
    lines = islice(_lines(BytesIO(body[:PART_BYTES].rpartition(b"\n")[0] or body)), JUDGED_LINES)
    wrong = fault(
        enumerate(lines, first_line), delimiter, kinds, finite=False, skip_empty=found == 1
    )
    if wrong is None:
        return
    label = " (is the label among them?)" * (found == columns.count + 1)
    raise CsvError(f"{wrong}; expected {columns.count} columns in each row, found {found}{label}")


def _delimiter(line: str, columns: Columns) -> str:
    """Return the delimiter of rows: the one of training, or the one that gives all columns.

    A comma is the delimiter of ``text/csv`` (RFC 4180), and clients write it whatever the training
    files had. It counts only in a line that can't be a row of the training files.
    """
    known = columns.delimiter
    if columns.count == 1:  # a mark in a cell is text
        return known or ","
    if known and known in line:
        return known
    for candidate in DELIMITERS:
        if candidate in line and len(_cells(line, candidate)) == columns.count:
            return candidate
    return delimiter_of(line) or ","


def _first_fault(body: bytes, delimiter: str, columns: Columns, first_line: int) -> str | None:
    """Return the first fault; in a large body, read only parts that pyarrow refuses."""
    kinds = []
    for place in range(columns.count):
        name, cells = columns.names[place] if columns.names else "", columns.cells(place)
        cure = f"expected {cells.expected}, or an empty cell for a missing value"
        kinds.append(Column(Kind.NUMBER, name, cure, cells))
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
    """Return True when some lines have no fault, False when they may have one."""
    empty = part.startswith(b"\n") or b"\n\n" in part
    if (columns.count > 1 and empty) or part.count(b'"') % 2:
        return False
    try:
        _matrix(_parsed(part, delimiter, columns), columns)
    except ValueError:
        return False
    return True


def _read_text(body: bytes, delimiter: str, columns: Columns) -> Floats:
    """Read rows cell by cell; raise CellError for a cell that does not fit its column."""
    readers = [columns.cells(column).text for column in range(columns.count)]
    rows = []
    for line in _lines(BytesIO(body)):
        cells = cells_of(line.decode("utf-8"), delimiter)
        rows.append([read(cell) for cell, read in zip(cells, readers, strict=True)])
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(columns.dtype)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Split at line ends of any kind; latin-1 does not change the bytes."""
    text = TextIOWrapper(source, encoding="latin-1", newline=None)
    return (line.rstrip("\n").encode("latin-1") for line in text)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return cells_of(line, delimiter)
    except csv.Error:  # a quote does not close
        return line.split(delimiter)


def _parsed(body: bytes, delimiter: str, columns: Columns) -> pyarrow.Table:
    """Parse a body with pyarrow into float64 and dictionaries of text; raise pyarrow's errors."""
    import pyarrow
    import pyarrow.csv

    hide_pandas()

    texts = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = {
        str(place): texts if place in columns.special else pyarrow.float64()
        for place in range(columns.count)
    }

    def read(block_size: int, missing: Sequence[str]) -> pyarrow.Table:
        return pyarrow.csv.read_csv(
            pyarrow.BufferReader(body),
            read_options=pyarrow.csv.ReadOptions(column_names=list(types), block_size=block_size),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, null_values=list(missing), strings_can_be_null=True
            ),
        )

    # A row may be longer than a block. Few spellings of missing values are found faster.
    sizes = (BLOCK_BYTES, len(body)) if len(body) > BLOCK_BYTES else (BLOCK_BYTES,)
    lists = dict.fromkeys((FEW_MISSING, tuple(columns.missing)))
    attempts = [(size, missing) for size in sizes for missing in lists]
    for size, missing in attempts[:-1]:
        with suppress(pyarrow.ArrowInvalid):
            return read(size, missing)
    return read(*attempts[-1])


def _matrix(table: pyarrow.Table, columns: Columns) -> Floats:
    matrix = np.empty((table.num_rows, columns.count), dtype=columns.dtype)
    start = 0
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite
        for batch in table.to_batches():
            # A block's rows stay in the cache while its columns are copied.
            rows = matrix[start : start + batch.num_rows]
            start += batch.num_rows
            for column, values in enumerate(batch.columns):
                cells = columns.special.get(column)
                found = values if cells is None else _read_texts(values, cells)
                rows[:, column] = found.to_numpy(zero_copy_only=False)
    return matrix


def _read_texts(values: pyarrow.DictionaryArray, cells: Cells) -> Any:
    import pyarrow

    texts = values.dictionary.to_pylist()
    if any("\n" in text or "\r" in text for text in texts):
        raise ValueError("a line end in quotes, which CSV of requests does not allow")
    known = pyarrow.array([cells.text(text) for text in texts], pyarrow.float64())
    return known.take(values.indices)
