"""Decode the packed numbers of many records at once, and name the record of a fault.

In these functions ``places`` and ``sizes`` are int64 arrays, (records,): the offset of each
record's numbers in ``content``, and their size in bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Booleans, Floats, Integers
from tabular.data.recordio.messages import FLOAT32, FLOAT64, LONGEST_VARINT, RecordError

Unsigned = npt.NDArray[np.uint64]

FIXED: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}


def floats(
    content: bytes, kinds: Integers, places: Integers, sizes: Integers
) -> tuple[Floats, Integers]:
    """Decode the values of tensors to float32.

    Parameters
    ----------
    kinds : int64 array, (records,)
        The field number of each tensor: FLOAT32, FLOAT64 or INT32.

    Returns
    -------
    numbers : float32 array
        The numbers of all records, one record after the other. Infinite when too large.
    counts : int64 array, (records,)

    Raises
    ------
    RecordError
        The numbers of a record end in the middle of one.
    """
    edges = np.flatnonzero(np.diff(kinds)) + 1
    if len(edges):
        return _by_kind(content, kinds, places, sizes, edges)
    kind = int(kinds[0])
    if kind in FIXED:
        dtype = FIXED[kind]
        refuse(
            sizes % dtype.itemsize != 0,
            f"has {dtype.itemsize}-byte numbers of which the last is cut off; write the file again",
        )
        numbers = _gathered(content, places, sizes).view(dtype)
        with np.errstate(all="ignore"):  # a number too large for float32 becomes infinite
            return numbers.astype(np.float32, copy=False), sizes // dtype.itemsize
    integers, counts = varints(content, places, sizes)
    # protobuf writes a negative int32 with 64 bits; the low 32 bits are the number.
    return integers.astype(np.uint32).view(np.int32).astype(np.float32), counts


def _by_kind(
    content: bytes, kinds: Integers, places: Integers, sizes: Integers, edges: npt.NDArray[np.intp]
) -> tuple[Floats, Integers]:
    """Decode records of several kinds, which change at the records ``edges``."""
    first = 0
    numbers, counts = [], []
    for part in np.split(np.arange(len(kinds)), edges):
        try:
            found, count = floats(content, kinds[part], places[part], sizes[part])
        except RecordError as error:
            raise RecordError(error.what, error.row + first) from error
        numbers.append(found)
        counts.append(count)
        first += len(part)
    return np.concatenate(numbers), np.concatenate(counts)


def varints(content: bytes, places: Integers, sizes: Integers) -> tuple[Unsigned, Integers]:
    """Decode protobuf's varints, 7 bits a byte, least significant first.

    Returns
    -------
    numbers : uint64 array
        The numbers of all records, one record after the other.
    counts : int64 array, (records,)

    Raises
    ------
    RecordError
        A number is cut off, or has more than 64 bits.
    """
    raw = _gathered(content, places, sizes)
    last = raw < 0x80
    ends = np.flatnonzero(last)
    edges = bounds_of(sizes)
    counts = np.diff(np.searchsorted(ends, edges))
    cut = "has a key, shape or whole number that is cut off or too large; write the file again"
    if len(raw):
        refuse((sizes > 0) & ~last[np.maximum(edges[1:] - 1, 0)], cut)
    begins = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    lengths = ends - begins + 1
    numbers = (raw[begins] & 0x7F).astype(np.uint64)
    for index in range(1, min(int(lengths.max(initial=0)), LONGEST_VARINT)):
        longer = np.flatnonzero(lengths > index)
        bits = (raw[begins[longer] + index] & 0x7F).astype(np.uint64)
        numbers[longer] |= bits << np.uint64(7 * index)
    # The tenth byte holds only the 64th bit.
    wrong = (lengths > LONGEST_VARINT) | ((lengths == LONGEST_VARINT) & (raw[ends] > 1))
    place = first_true(wrong)
    if place is not None:
        raise RecordError(cut, int(np.searchsorted(bounds_of(counts), place, "right")) - 1)
    return numbers, counts


def _gathered(content: bytes, places: Integers, sizes: Integers) -> npt.NDArray[np.uint8]:
    """Copy the bytes of all records, one record after the other."""
    size = int(sizes[0])
    steps = np.diff(places)
    if len(steps) and size and (sizes == size).all() and (steps == steps[0]).all() and steps[0] > 0:
        shape, strides = (len(sizes), size), (int(steps[0]), 1)
        return np.ndarray(shape, np.uint8, content, int(places[0]), strides).flatten()
    ends = (places + sizes).tolist()
    pieces = [content[begin:end] for begin, end in zip(places.tolist(), ends, strict=True)]
    return np.frombuffer(bytearray().join(pieces), np.uint8)


def bounds_of(counts: npt.ArrayLike) -> Integers:
    """Return where each record's numbers begin, and the total.

    >>> bounds_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def first_true(found: Booleans) -> int | None:
    """Return the position of the first True, or None."""
    place = int(found.argmax()) if len(found) else 0
    return place if len(found) and found[place] else None


def refuse(found: Booleans, what: str) -> None:
    """Raise RecordError for the first record that is True in ``found``, bool, (records,)."""
    row = first_true(found)
    if row is not None:
        raise RecordError(what, row)
