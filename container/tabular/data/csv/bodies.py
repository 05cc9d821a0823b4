"""CSV in requests: rows of features, without a label.

Two readers with one meaning. A request of a few rows is read by plain Python, which has no
start-up cost and takes 10 us for 30 values; pyarrow reads large bodies without Python's global
lock. When either stumbles, ``fault`` reads again, slowly, and names the line and the column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.blocks import BYTE_ORDER_MARK
from tabular.data.csv.faults import Column, Kind, fault
from tabular.data.csv.text import MISSING, cells_of, delimiter_of, number_of

if TYPE_CHECKING:
    import pyarrow

BLOCK_BYTES = 4 << 20
# Below this a body is read by plain Python: importing pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
# All that numbers, inf and nan are written with, and what parts them.
PLAIN = b"0123456789+-.eEinfatyINFATY,\t;| \n"
EMPTY_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
NO_CATEGORIES: Mapping[int, Mapping[str, int]] = {}


class CsvError(ValueError):
    """A cell or a row that can't be read; the message names line and column."""


def read_body(
    body: bytes, columns: int, categories: Mapping[int, Mapping[str, int]] = NO_CATEGORIES
) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    columns : int
        How many the model expects.
    categories : mapping of int to mapping of str to int
        For each column of text, from 0, the codes of its values; what is not there is missing.

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
    if len(body) <= SMALL_BODY_BYTES and not categories:
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
        if categories:
            return _read_text(body, delimiter, columns, categories)
        if columns > 1 and any(gap in body for gap in EMPTY_LINES):
            raise ValueError("an empty line, which pyarrow would read as a row of missing values")
        return np.concatenate(list(_blocks(body, delimiter, columns)))
    except (ValueError, csv.Error) as error:  # pyarrow.ArrowInvalid is a ValueError
        kinds = [
            Column(Kind.TEXT if place in categories else Kind.NUMBER) for place in range(columns)
        ]
        lines = enumerate(_lines(BytesIO(body)), start=1)
        found = fault(lines, delimiter, kinds, finite=False, skip_empty=columns == 1)
        raise CsvError(found or next(iter(str(error).splitlines()), "no CSV")) from error


def _read_small(body: bytes) -> Floats:
    body = body.replace(b"\r\n", b"\n")
    if body.translate(None, PLAIN):
        raise ValueError("float() takes more than CSV has: underscores, other scripts, ...")
    lines = body.decode("ascii").split("\n")
    delimiter = delimiter_of(lines[0]) or ","
    rows = [[float(cell or "nan") for cell in line.split(delimiter)] for line in lines]
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(np.float32)


def _read_text(
    body: bytes, delimiter: str, columns: int, categories: Mapping[int, Mapping[str, int]]
) -> Floats:
    """Read rows with cells of text; a cell that is neither raises ValueError."""
    codes = [categories.get(column) for column in range(columns)]
    rows = []
    for line in _lines(BytesIO(body)):
        cells = cells_of(line.decode("utf-8"), delimiter)
        rows.append([_value(cell, known) for cell, known in zip(cells, codes, strict=True)])
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(np.float32)


def _value(cell: str, codes: Mapping[str, int] | None) -> float:
    if cell in MISSING:
        return np.nan
    if codes is not None:
        return codes.get(cell, np.nan)
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


def _blocks(body: bytes, delimiter: str, columns: int) -> Iterator[Floats]:
    """Read a body with pyarrow; raises its errors."""
    import pyarrow
    import pyarrow.csv

    names = [str(column) for column in range(columns)]
    reader = pyarrow.csv.open_csv(
        pyarrow.BufferReader(body),
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.float64()), null_values=list(MISSING)
        ),
    )
    with reader:
        for block in reader:
            yield _matrix(block)


def _matrix(block: pyarrow.RecordBatch) -> Floats:
    matrix = np.empty((block.num_rows, block.num_columns), dtype=np.float32)
    with np.errstate(over="ignore"):  # too large for float32 is infinite
        for column, values in enumerate(block.columns):
            matrix[:, column] = values.to_numpy(zero_copy_only=False)
    return matrix
