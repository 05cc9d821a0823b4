"""Read Parquet in requests; columns are found by name where the model has names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.data.batch import ColumnCountError, Floats, TooLargeError
from tabular.data.columns import Columns, check_names
from tabular.data.parquet.batches import index_columns, is_number, is_text
from tabular.data.parquet.extent import BATCH_VALUES, of_parquet
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
            texts = [names[column] for column in columns.categories]
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
        check_names(names, columns.names, "the file")
        return list(columns.names)
    if len(names) != columns.count:
        raise ColumnCountError(len(names), columns.count)
    if len(set(names)) < len(names):
        raise ValueError("the file has a column name twice; give each column its own name")
    return names


def _check_types(schema: Any, names: list[str], columns: Columns) -> None:
    for column, name in enumerate(names):
        kind = schema.field(name).type
        expected, fits = (
            ("text", is_text(kind))
            if column in columns.categories
            else ("a number", is_number(kind) and not is_text(kind))
        )
        if not fits:
            raise ValueError(
                f"column {name[:60]!r} has type {str(kind)[:60]}, expected {expected}; write the "
                "column with that type"
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
    matrix = np.empty((file.metadata.num_rows, columns.count), np.float32)
    start = 0
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, as in CSV
        size = max(1, min(BATCH_ROWS, BATCH_VALUES // max(1, len(names))))
        for batch in file.iter_batches(size, columns=names):
            rows = matrix[start : start + batch.num_rows]
            if len(rows) < batch.num_rows:
                raise ValueError(f"broken Parquet: it states {len(matrix)} rows and has more")
            start += batch.num_rows
            for column, name in enumerate(names):
                values, codes = batch.column(name), columns.codes.get(column)
                rows[:, column] = (
                    _numbers(values) if codes is None else _coded(values, codes, columns.unknown)
                )
    if start < len(matrix):
        raise ValueError(f"broken Parquet: it states {len(matrix)} rows and has {start}")
    return matrix


def _numbers(values: Any) -> Any:
    import pyarrow

    # safe=False, because large integers lose digits in float32, as in XGBoost.
    return values.cast(pyarrow.float32(), safe=False).to_numpy(zero_copy_only=False)


def _coded(values: Any, codes: Mapping[str, int], unknown: float) -> Any:
    import pyarrow

    texts = values.dictionary.cast(pyarrow.string()).to_pylist()
    known = pyarrow.array([codes.get(text, unknown) for text in texts], pyarrow.float32())
    return known.take(values.indices).to_numpy(zero_copy_only=False)
