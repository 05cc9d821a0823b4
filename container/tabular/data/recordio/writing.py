"""Write RecordIO-protobuf: one ``Record`` a row, its tensors under names of their own.

All records of a call have the same tensors of the same sizes, so that their messages differ in
the numbers alone: the bytes between the numbers are made once, and NumPy lays them side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.recordio.framing import HEADER, MAGIC
from tabular.data.recordio.messages import FLOAT32, FLOAT64, LENGTH

# Field numbers; ``messages`` has the whole of the message.
LABEL_MAP = 2
ENTRY_KEY, ENTRY_VALUE = 1, 2
TENSOR_VALUES, TENSOR_SHAPE = 1, 3


def write_labels(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write records that hold each column under its name in the ``label`` map.

    Parameters
    ----------
    columns : mapping of str to array of numbers, (rows, ...)
        One or more, of as many rows. Written as ``float32_tensor``, as AWS's container does;
        whole numbers that float32 can't hold as ``float64_tensor``. What a row has more than
        one axis of is written flat, with its shape.
    """
    rows = len(next(iter(columns.values())))
    parts = [part for name, column in columns.items() for part in _entry(name, column)]
    size = sum(part.shape[-1] for part in parts)
    parts = [_bytes(HEADER.pack(MAGIC, size)), *parts, _bytes(bytes(-size % 4))]
    return np.hstack([np.broadcast_to(part, (rows, part.shape[-1])) for part in parts]).tobytes()


def _entry(name: str, column: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], ...]:
    """Give the parts of a map entry: the bytes before a row's numbers, these, and the shape."""
    double = column.dtype.kind in "iu" and bool((column.astype(np.float32) != column).any())
    width = math.prod(column.shape[1:])
    numbers = column.astype("<f8" if double else "<f4", order="C").reshape(len(column), width)
    values = numbers.view(np.uint8)
    shape = b"" if column.ndim < 3 else b"".join(varint(size) for size in column.shape[1:])
    after = field(TENSOR_SHAPE, shape) if shape else b""
    before = _head(TENSOR_VALUES, values.shape[1])
    key = field(ENTRY_KEY, name.encode())
    for number in (FLOAT64 if double else FLOAT32, ENTRY_VALUE):
        before = _head(number, len(before) + values.shape[1] + len(after)) + before
    before = key + before
    before = _head(LABEL_MAP, len(before) + values.shape[1] + len(after)) + before
    return _bytes(before), values, _bytes(after)


def _head(number: int, size: int) -> bytes:
    """Begin a field of so many bytes."""
    return varint(number << 3 | LENGTH) + varint(size)


def field(number: int, content: bytes) -> bytes:
    """Write a field of bytes: text, a message, or packed numbers."""
    return _head(number, len(content)) + content


def varint(number: int) -> bytes:
    """Write a number, from 0, in seven bits a byte."""
    low = [number >> shift & 0x7F | 0x80 for shift in range(0, number.bit_length() or 1, 7)]
    return bytes([*low[:-1], low[-1] & 0x7F])


def _bytes(content: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)
