"""Turn the tensors that ``records`` found into rows: dense float32, or sparse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.recordio.messages import (
    FLOAT32,
    FLOAT64,
    KEYS,
    KEYS_BYTES,
    KIND,
    LABEL,
    LABEL_BYTES,
    LABEL_KIND,
    LONGEST_VARINT,
    SHAPE,
    SHAPE_BYTES,
    VALUES,
    VALUES_BYTES,
    RecordError,
)
from tabular.data.recordio.records import Integers, find_fields

Unsigned = npt.NDArray[np.uint64]

FIXED: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}
MOST_COLUMNS = np.iinfo(np.int32).max  # a CSR matrix has int32 indices
NO_VALUES = 'has no values under features["values"]'
UNFIT = "infinite, or too large for a 32-bit number; use a finite one"


@dataclass(frozen=True)
class Rows:
    """The rows of some records.

    Attributes
    ----------
    values : float32 array
        (rows, columns) when dense, else the values of all rows, one after the other.
    label : float32 array, (rows,), or None
    columns : int
        When sparse, what the shape says, or as many as the largest key needs.
    keys : int32 array or None
        The column of each value, ascending in each row; None when dense.
    bounds : int64 array, (rows + 1,)
        When sparse: row i holds the values from bounds[i] to bounds[i + 1].
    """

    values: Floats
    label: Floats | None
    columns: int
    keys: npt.NDArray[np.int32] | None
    bounds: Integers


def read_rows(
    content: bytes,
    starts: Integers,
    sizes: Integers,
    columns: int | None = None,
    labelled: bool = True,
) -> Rows:
    """Read messages that stand in ``content``, one row each.

    Parameters
    ----------
    starts, sizes : int64 arrays, (records,), of one record at least
    columns : int or None
        How many columns the model expects. None for training data: then all values are finite
        or nan.
    labelled : bool
        Whether every record of training data needs a label; else labels are left out.

    Raises
    ------
    RecordError
        A record can't be read.
    ColumnCountError
        A record does not have ``columns`` columns, or has a key past them.
    """
    content, table = find_fields(content, starts, sizes)
    _refuse(table[:, KIND] == 0, 'has no tensor of numbers under features["values"]')
    empty = table[:, VALUES_BYTES] == 0
    # Without values a record is a row of missing ones, which only sparse records can be.
    sparse = (table[:, KEYS_BYTES] > 0) | empty
    _refuse(empty & ~sparse[0], NO_VALUES)
    _refuse(sparse != sparse[0], unlike(bool(sparse[0])))
    values, counts = _numbers(content, table[:, [KIND, VALUES, VALUES_BYTES]])
    bounds = _bounds(counts)
    shapes = _shapes(content, table)
    if columns is None:
        place = _first(np.isinf(values))
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
    return Rows(values.reshape(len(counts), -1), label, int(counts[0]), None, bounds)


def unlike(before_sparse: bool) -> str:
    """Say that a record is sparse after dense ones, or dense after sparse ones."""
    kinds = ("dense (values only)", "sparse (values with keys)")
    found, before = kinds[not before_sparse], kinds[before_sparse]
    return f"is {found}, the records before it are {before}; write all records in one way"


def other_width(found: int, expected: int) -> str:
    """Say that a dense record has another number of values than the ones before it."""
    first = f"the first record has {expected}"
    return f"has {found} values, {first}; give every record the same number"


def _check_widths(counts: Integers, shapes: Integers, columns: int | None) -> None:
    row = _first(counts != (counts[0] if columns is None else columns))
    if row is not None and columns is not None:
        raise ColumnCountError(int(counts[row]), columns)
    if row is not None:
        raise RecordError(other_width(int(counts[row]), int(counts[0])), row)
    row = _first((shapes >= 0) & (shapes != counts))
    if row is not None:
        found = f"has {counts[row]} values, its shape says {shapes[row]}"
        raise RecordError(f"{found}; write the file again", row)


def _labels(content: bytes, table: Integers) -> Floats:
    _refuse(table[:, LABEL_KIND] == 0, 'has no label["values"]; training data needs a label')
    label, counts = _numbers(content, table[:, [LABEL_KIND, LABEL, LABEL_BYTES]])
    row = _first(counts != 1)
    if row is not None:
        raise RecordError(f'has {counts[row]} values in label["values"], expected one', row)
    _refuse(np.isnan(label), "has nan for a label; every record needs one, or take it out")
    _refuse(np.isinf(label), f"has a label that is {UNFIT}")
    return label


def _shapes(content: bytes, table: Integers) -> Integers:
    """Read the first number of each shape; -1 where there is none."""
    shapes = np.full(len(table), -1, np.int64)
    if table[:, SHAPE_BYTES].any():
        numbers, counts = _varints(content, table[:, SHAPE], table[:, SHAPE_BYTES])
        rows = np.flatnonzero(counts)
        widths = numbers[_bounds(counts)[rows]]
        place = _first(widths > MOST_COLUMNS)
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
    keys, key_counts = _varints(content, table[:, KEYS], table[:, KEYS_BYTES])
    row = _first(counts != key_counts)
    if row is not None:
        found = f"has {counts[row]} values and {key_counts[row]} keys"
        raise RecordError(f"{found}; give each value its key", row)
    limits = np.where(shapes >= 0, shapes, MOST_COLUMNS)
    place = _first(keys >= np.repeat(limits.astype(np.uint64), counts))
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
) -> Rows:
    """Put each row's keys in order, refuse one that comes twice, and drop what is nan."""
    row_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    in_row = row_of[1:] == row_of[:-1]
    if (in_row & (keys[1:] <= keys[:-1])).any():
        order = np.lexsort((keys, row_of))
        keys, values = keys[order], values[order]
        place = _first(in_row & (keys[1:] == keys[:-1]))
        if place is not None:
            raise RecordError(
                f"has the key {keys[place]} twice; give each key once", int(row_of[place])
            )
    missing = np.isnan(values)
    if missing.any():
        keys, values, row_of = keys[~missing], values[~missing], row_of[~missing]
        bounds = _bounds(np.bincount(row_of, minlength=len(bounds) - 1))
    return Rows(values, label, columns, keys, bounds)


def _numbers(content: bytes, fields: Integers) -> tuple[Floats, Integers]:
    """Read the packed numbers of tensors: kind, place and bytes of each; and count them."""
    kind = int(fields[0, 0])
    edges = np.flatnonzero(np.diff(fields[:, 0])) + 1
    if len(edges):
        first = 0
        parts = []
        for part in np.split(fields, edges):
            try:
                parts.append(_numbers(content, part))
            except RecordError as error:
                raise RecordError(error.what, error.row + first) from error
            first += len(part)
        return np.concatenate([part[0] for part in parts]), np.concatenate([p[1] for p in parts])
    if kind in FIXED:
        dtype = FIXED[kind]
        _refuse(
            fields[:, 2] % dtype.itemsize != 0,
            f"has {dtype.itemsize}-byte numbers of which the last is cut off; write the file again",
        )
        numbers = _gathered(content, fields[:, 1], fields[:, 2]).view(dtype)
        with np.errstate(all="ignore"):  # too large for float32 is infinite, which is looked for
            return numbers.astype(np.float32, copy=False), fields[:, 2] // dtype.itemsize
    integers, counts = _varints(content, fields[:, 1], fields[:, 2])
    # protobuf writes a negative int32 with 64 bits; the low 32 are the number.
    return integers.astype(np.uint32).view(np.int32).astype(np.float32), counts


def _varints(content: bytes, places: Integers, sizes: Integers) -> tuple[Unsigned, Integers]:
    """Read packed numbers of 7 bits a byte, and count each record's."""
    raw = _gathered(content, places, sizes)
    last = raw < 0x80
    ends = np.flatnonzero(last)
    edges = _bounds(sizes)
    counts = np.diff(np.searchsorted(ends, edges))
    cut = "has a key, shape or whole number that is cut off or too large; write the file again"
    if len(raw):
        _refuse((sizes > 0) & ~last[np.maximum(edges[1:] - 1, 0)], cut)
    begins = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    lengths = ends - begins + 1
    numbers = (raw[begins] & 0x7F).astype(np.uint64)
    for index in range(1, min(int(lengths.max(initial=0)), LONGEST_VARINT)):
        longer = np.flatnonzero(lengths > index)
        bits = (raw[begins[longer] + index] & 0x7F).astype(np.uint64)
        numbers[longer] |= bits << np.uint64(7 * index)
    # The tenth byte has room for the 64th bit only.
    wrong = (lengths > LONGEST_VARINT) | ((lengths == LONGEST_VARINT) & (raw[ends] > 1))
    place = _first(wrong)
    if place is not None:
        raise RecordError(cut, int(np.searchsorted(_bounds(counts), place, "right")) - 1)
    return numbers, counts


def _gathered(content: bytes, places: Integers, sizes: Integers) -> npt.NDArray[np.uint8]:
    """Copy the bytes of all records, one after the other."""
    size = int(sizes[0])
    steps = np.diff(places)
    if len(steps) and size and (sizes == size).all() and (steps == steps[0]).all() and steps[0] > 0:
        shape, strides = (len(sizes), size), (int(steps[0]), 1)
        return np.ndarray(shape, np.uint8, content, int(places[0]), strides).flatten()
    ends = (places + sizes).tolist()
    pieces = [content[begin:end] for begin, end in zip(places.tolist(), ends, strict=True)]
    return np.frombuffer(bytearray().join(pieces), np.uint8)


def _bounds(counts: npt.ArrayLike) -> Integers:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def _first(found: npt.NDArray[np.bool_]) -> int | None:
    place = int(found.argmax()) if len(found) else 0
    return place if len(found) and found[place] else None


def _refuse(found: npt.NDArray[np.bool_], what: str) -> None:
    row = _first(found)
    if row is not None:
        raise RecordError(what, row)
