"""Parquet in requests: rows of features, by name where the model has names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.data.batch import ColumnCountError, Floats, TooLargeError
from tabular.data.columns import Columns, check_names
from tabular.data.parquet.batches import index_columns, is_number, is_text
from tabular.data.parquet.extent import BATCH_VALUES, of_parquet
from tabular.data.pyarrow_without_pandas import hide_pandas

# Parquet may be a thousand times smaller than its rows. The server's own budget is mostly less;
# this is what the densest CSV of a batch transform's largest payload (100 MB of "1,1,1,...")
# takes as float32, twice.
MOST_BYTES = 512 << 20
BATCH_ROWS = 1 << 16


def read_body(body: bytes, columns: Columns) -> Floats:
    """Read the rows of a request.

    With the model's names, its columns are found by them; if the file has none of the names, by
    place. Columns that pandas wrote its index to are left out.

    Returns
    -------
    float32 array, (rows, columns)
        NaN for null, and for a text that a column of categories does not know.

    Raises
    ------
    ColumnsError
        The file has other columns than the model.
    ValueError
        No Parquet, a column of another type than the model's, or more rows than fit.
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
        # Texts as dictionaries: a long one in each row is held once.
        with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(body), read_dictionary=texts) as file:
            return _matrix(file, names, columns)
    except (pyarrow.ArrowException, OSError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"broken Parquet ({said}); write it again") from error


def _names(schema: Any, columns: Columns) -> list[str]:
    """Find the names of the file's columns, in the model's order."""
    index = index_columns(schema)
    names = [name for name in schema.names if name not in index or name in columns.names]
    if not set(names).isdisjoint(columns.names):
        check_names(names, columns.names, "the file")
        return list(columns.names)
    if len(names) != columns.count:
        raise ColumnCountError(len(names), columns.count)
    if len(set(names)) < len(names):
        raise ValueError("the file has a column name twice; give each column its own")
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
                f"column {name[:60]!r} has type {str(kind)[:60]}, expected {expected}; write it so"
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
    with np.errstate(over="ignore"):  # too large for float32 is infinite, as in CSV
        size = max(1, min(BATCH_ROWS, BATCH_VALUES // max(1, len(names))))
        for batch in file.iter_batches(size, columns=names):
            rows = matrix[start : start + batch.num_rows]
            if len(rows) < batch.num_rows:
                raise ValueError(f"broken Parquet: it says {len(matrix)} rows and has more")
            start += batch.num_rows
            for column, name in enumerate(names):
                values, codes = batch.column(name), columns.codes.get(column)
                rows[:, column] = (
                    _numbers(values) if codes is None else _coded(values, codes, columns.unknown)
                )
    if start < len(matrix):
        raise ValueError(f"broken Parquet: it says {len(matrix)} rows and has {start}")
    return matrix


def _numbers(values: Any) -> Any:
    import pyarrow

    # Not safe: large integers lose digits in float32, as in XGBoost.
    return values.cast(pyarrow.float32(), safe=False).to_numpy(zero_copy_only=False)


def _coded(values: Any, codes: Mapping[str, int], unknown: float) -> Any:
    import pyarrow

    texts = values.dictionary.cast(pyarrow.string()).to_pylist()
    known = pyarrow.array([codes.get(text, unknown) for text in texts], pyarrow.float32())
    return known.take(values.indices).to_numpy(zero_copy_only=False)
