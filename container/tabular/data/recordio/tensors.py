"""Make rows of records: dense float32, or sparse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tabular.data.batch import ColumnCountError, Floats, Integers
from tabular.data.recordio.framing import Block
from tabular.data.recordio.messages import (
    KEYS,
    KEYS_BYTES,
    KIND,
    LABEL,
    LABEL_BYTES,
    LABEL_KIND,
    SHAPE,
    SHAPE_BYTES,
    VALUES,
    VALUES_BYTES,
    RecordError,
)
from tabular.data.recordio.packed import bounds_of, first_true, floats, refuse, varints
from tabular.data.recordio.records import find_tensors

MOST_COLUMNS = np.iinfo(np.int32).max  # a CSR matrix has int32 indices
NO_VALUES = 'has no values under features["values"]'
UNFIT = "infinite, or too large for a 32-bit number; use a finite one"


@dataclass(frozen=True)
class DecodedRecords:
    """The rows of some records, all dense or all sparse.

    Attributes
    ----------
    values : float32 array
        Dense: (rows, columns). Sparse: the values of all rows, one row after the other.
    label : float32 array, (rows,), or None
    columns : int
        Sparse: the largest shape, or what the largest key needs.
    keys : int32 array or None
        Sparse: the column of each value, ascending in each row. None for dense rows.
    bounds : int64 array, (rows + 1,)
        Sparse: row i holds the values from bounds[i] to bounds[i + 1].
    """

    values: Floats
    label: Floats | None
    columns: int
    keys: npt.NDArray[np.int32] | None
    bounds: Integers


def read_block(block: Block, columns: int | None = None, labelled: bool = True) -> DecodedRecords:
    """Read the rows of a block.

    Parameters
    ----------
    columns : int or None
        The number of columns that the model expects. None for training data: then all values
        must be finite or NaN.
    labelled : bool
        Whether every record of training data must have a label; otherwise labels are ignored.

    Raises
    ------
    RecordError
        A record can't be read. The message names record and byte in the file.
    ColumnCountError
        A record does not have ``columns`` columns, or has a key that exceeds them.
    """
    try:
        if block.fault and not len(block.starts):
            raise RecordError(block.fault, 0, block.fault_at)
        rows = _read_rows(block.content, block.starts, block.sizes, columns, labelled)
        if block.fault:
            raise RecordError(block.fault, len(block.starts), block.fault_at)
    except RecordError as error:
        raise block.located(error) from error
    return rows


def _read_rows(
    content: bytes, starts: Integers, sizes: Integers, columns: int | None, labelled: bool
) -> DecodedRecords:
    content, table = find_tensors(content, starts, sizes)
    refuse(table[:, KIND] == 0, 'has no tensor of numbers under features["values"]')
    empty = table[:, VALUES_BYTES] == 0
    # Only a sparse record may be without values: all values of its row are missing.
    sparse = (table[:, KEYS_BYTES] > 0) | empty
    refuse(empty & ~sparse[0], NO_VALUES)
    refuse(sparse != sparse[0], other_density(bool(sparse[0])))
    values, counts = floats(content, table[:, KIND], table[:, VALUES], table[:, VALUES_BYTES])
    bounds = bounds_of(counts)
    shapes = _shapes(content, table)
    if columns is None:
        place = first_true(np.isinf(values))
        if place is not None:
            row = int(np.searchsorted(bounds, place, "right")) - 1
            number = place - int(bounds[row]) + 1
            raise RecordError(f"has a value (number {number}) that is {UNFIT}, or nan", row)
    label = _labels(content, table) if columns is None and labelled else None
    if sparse[0]:
        keys = _keys(content, table, counts, shapes, bounds)
        width = max(int(shapes.max()), int(keys.max(initial=-1)) + 1)
        if columns is not None and (width > columns or not width):
            raise ColumnCountError(width, columns)
        return _sparse_rows(values, label, keys, bounds, width)
    _check_widths(counts, shapes, columns)
    return DecodedRecords(values.reshape(len(counts), -1), label, int(counts[0]), None, bounds)


def other_density(before_sparse: bool) -> str:
    """Return the message for a sparse record after dense ones, or a dense one after sparse."""
    kinds = ("dense (values only)", "sparse (values with keys)")
    found, before = kinds[not before_sparse], kinds[before_sparse]
    return f"is {found}, the records before it are {before}; write all records in one way"


def other_width(found: int, expected: int) -> str:
    """Return the message for a dense record with another number of values than the first."""
    first = f"the first record has {expected}"
    return f"has {found} values, {first}; give every record the same number"


def _check_widths(counts: Integers, shapes: Integers, columns: int | None) -> None:
    row = first_true(counts != (counts[0] if columns is None else columns))
    if row is not None and columns is not None:
        raise ColumnCountError(int(counts[row]), columns)
    if row is not None:
        raise RecordError(other_width(int(counts[row]), int(counts[0])), row)
    row = first_true((shapes >= 0) & (shapes != counts))
    if row is not None:
        found = f"has {counts[row]} values, its shape says {shapes[row]}"
        raise RecordError(f"{found}; write the file again", row)


def _labels(content: bytes, table: Integers) -> Floats:
    refuse(table[:, LABEL_KIND] == 0, 'has no label["values"]; training data needs a label')
    label, counts = floats(content, table[:, LABEL_KIND], table[:, LABEL], table[:, LABEL_BYTES])
    row = first_true(counts != 1)
    if row is not None:
        raise RecordError(f'has {counts[row]} values in label["values"], expected one', row)
    refuse(np.isnan(label), "has nan for a label; give every record a label, or remove the record")
    refuse(np.isinf(label), f"has a label that is {UNFIT}")
    return label


def _shapes(content: bytes, table: Integers) -> Integers:
    """Return the first number of each shape, or -1 for a record without a shape."""
    shapes = np.full(len(table), -1, np.int64)
    if table[:, SHAPE_BYTES].any():
        numbers, counts = varints(content, table[:, SHAPE], table[:, SHAPE_BYTES])
        rows = np.flatnonzero(counts)
        widths = numbers[bounds_of(counts)[rows]]
        place = first_true(widths > MOST_COLUMNS)
        if place is not None:
            found = f"has the shape {widths[place]}, expected {MOST_COLUMNS} columns at most"
            raise RecordError(found, int(rows[place]))
        shapes[rows] = widths
    return shapes


def _keys(
    content: bytes,
    table: Integers,
    counts: Integers,
    shapes: Integers,
    bounds: Integers,
) -> npt.NDArray[np.int32]:
    keys, key_counts = varints(content, table[:, KEYS], table[:, KEYS_BYTES])
    row = first_true(counts != key_counts)
    if row is not None:
        found = f"has {counts[row]} values and {key_counts[row]} keys"
        raise RecordError(f"{found}; give each value its key", row)
    limits = np.where(shapes >= 0, shapes, MOST_COLUMNS)
    place = first_true(keys >= np.repeat(limits.astype(np.uint64), counts))
    if place is not None:
        row = int(np.searchsorted(bounds, place, "right")) - 1
        raise RecordError(
            f"has the key {keys[place]}, expected one below {limits[row]} (keys count from 0)", row
        )
    return keys.astype(np.int32)


def _sparse_rows(
    values: Floats,
    label: Floats | None,
    keys: npt.NDArray[np.int32],
    bounds: Integers,
    columns: int,
) -> DecodedRecords:
    """Sort each row's keys, refuse a key that a row has twice, and drop NaN values."""
    row_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    in_row = row_of[1:] == row_of[:-1]
    if (in_row & (keys[1:] <= keys[:-1])).any():
        order = np.lexsort((keys, row_of))
        keys, values = keys[order], values[order]
        place = first_true(in_row & (keys[1:] == keys[:-1]))
        if place is not None:
            raise RecordError(
                f"has the key {keys[place]} twice; give each key once", int(row_of[place])
            )
    missing = np.isnan(values)
    if missing.any():
        keys, values, row_of = keys[~missing], values[~missing], row_of[~missing]
        bounds = bounds_of(np.bincount(row_of, minlength=len(bounds) - 1))
    return DecodedRecords(values, label, columns, keys, bounds)
