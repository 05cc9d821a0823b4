"""Read Parquet in requests; columns are found by name where the model has names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.data.batch import ColumnCountError, Floats, TooLargeError
from tabular.data.cells import (
    CategoryCells,
    CellError,
    Cells,
    DateCells,
    IgnoredCells,
    NumberCells,
    explained,
)
from tabular.data.columns import Columns, check_names
from tabular.data.encoded_cells import ValueCells
from tabular.data.parquet.extent import BATCH_VALUES, of_parquet
from tabular.data.parquet.types import (
    date_texts,
    floats_of,
    index_columns,
    is_date,
    is_number,
    is_text,
    seconds_of,
)
from tabular.data.pyarrow_without_pandas import hide_pandas

# Rows may take a thousand times the memory of the Parquet file. The server's own memory budget is
# mostly smaller than this limit, which is twice the float32 matrix of the densest CSV in the
# largest payload of a batch transform (100 MB of "1,1,1,...").
MOST_BYTES = 512 << 20
BATCH_ROWS = 1 << 16


def read_body(body: bytes, columns: Columns) -> Floats:
    """Read the rows of a request.

    Columns are found by the model's names, or by position when the file has none of the names.
    Columns that hold the index of a pandas frame are ignored.

    Returns
    -------
    float32 array, (rows, columns)
        NaN for null, and for a text that is not one of its column's categories.

    Raises
    ------
    ColumnsError
        The file has other columns than the model.
    ValueError
        The body is not Parquet, a column has another type than in the model, or the rows take more
        than ``MOST_BYTES``.
    """
    import pyarrow
    import pyarrow.parquet

    hide_pandas()

    try:
        with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(body)) as file:
            names = _names(file.schema_arrow, columns)
            _check_types(file.schema_arrow, names, columns)
            _check_size(body, columns)
            texts = [name for name in names if is_text(file.schema_arrow.field(name).type)]
        # Text is read as dictionaries, so that a long text in many rows is held once.
        with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(body), read_dictionary=texts) as file:
            return _matrix(file, names, columns)
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"broken Parquet ({reason}); write the file again") from error


def _names(schema: Any, columns: Columns) -> list[str]:
    """Return the names of the file's columns in the model's order."""
    index = index_columns(schema)
    names = [name for name in schema.names if name not in index or name in columns.names]
    if not set(names).isdisjoint(columns.names):
        check_names(names, columns, "the file")
        return list(columns.names)
    if len(names) != columns.count:
        raise ColumnCountError(len(names), columns.count)
    if len(set(names)) < len(names):
        raise ValueError("the file has a column name twice; give each column its own name")
    return names


def _check_types(schema: Any, names: list[str], columns: Columns) -> None:
    for column, name in enumerate(names):
        kind = schema.field(name).type
        dated = isinstance(columns.cells(column), DateCells | CategoryCells | IgnoredCells)
        if is_text(kind) or is_number(kind) or (is_date(kind) and dated):
            continue
        expected = "a date, a timestamp" if column in columns.dates else "a number, a boolean"
        raise ValueError(
            f"column {name[:60]!r} has type {str(kind)[:60]}, expected {expected} or text; write "
            "the column with that type"
        )


def _check_size(body: bytes, columns: Columns) -> None:
    extent = of_parquet(body, columns)
    if not extent.rows:
        raise ValueError("the body holds no row")
    if extent.peak > MOST_BYTES:
        raise TooLargeError(
            f"{extent.rows} rows of {columns.count} columns take {extent.peak >> 20} MiB in "
            f"memory, expected at most {MOST_BYTES >> 20} MiB; send fewer rows in one request"
        )


def _matrix(file: Any, names: list[str], columns: Columns) -> Floats:
    matrix = np.empty((file.metadata.num_rows, columns.count), columns.dtype)
    start = 0
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, as in CSV
        size = max(1, min(BATCH_ROWS, BATCH_VALUES // max(1, len(names))))
        for batch in file.iter_batches(size, columns=names):
            rows = matrix[start : start + batch.num_rows]
            if len(rows) < batch.num_rows:
                raise ValueError(f"broken Parquet: it states {len(matrix)} rows and has more")
            start += batch.num_rows
            for column, name in enumerate(names):
                rows[:, column] = _read(batch.column(name), columns.cells(column), name)
    if start < len(matrix):
        raise ValueError(f"broken Parquet: it states {len(matrix)} rows and has {start}")
    return matrix


def _read(values: Any, cells: Cells, name: str) -> Any:
    """Read the values of a column, float64, (rows,)."""
    import pyarrow

    try:
        if is_text(values.type):
            return _taken(values.dictionary.cast(pyarrow.string()), values.indices, cells.text)
        if is_date(values.type):
            return _dates(values, cells)
        if isinstance(cells, NumberCells):
            return floats_of(values)
        if pyarrow.types.is_boolean(values.type):
            found = values.dictionary_encode()  # of those that occur
            return _taken(found.dictionary, found.indices, cells.boolean)
        if isinstance(cells, ValueCells) and pyarrow.types.is_integer(values.type):
            found = values.dictionary_encode()  # with all digits
            return _taken(found.dictionary, found.indices, cells.number)
        numbers, places = np.unique(floats_of(values), return_inverse=True)
        return np.array([cells.number(number) for number in numbers.tolist()])[places]
    except CellError as error:
        raise ValueError(f"column {name[:60]!r}: {explained(error, cells)}") from error


def _dates(values: Any, cells: Cells) -> Any:
    if isinstance(cells, CategoryCells):
        texts = date_texts(values)
        return _taken(texts.dictionary, texts.indices, cells.text)
    found = seconds_of(values)
    if isinstance(cells, DateCells):
        found = cells.moments(found)
    if np.isinf(found).any():
        raise CellError("a date is outside of the years 1 to 9999")
    return found


def _taken(dictionary: Any, indices: Any, read: Callable[[Any], float]) -> Any:
    """Read each value of a dictionary once; return what the indices stand for."""
    import pyarrow

    known = pyarrow.array([read(value) for value in dictionary.to_pylist()], pyarrow.float64())
    return known.take(indices).to_numpy(zero_copy_only=False)
