"""Write responses as RecordIO-protobuf: one ``Record`` a row.

All records of a response have the same tensors of the same sizes, so their messages differ in the
numbers only. The bytes between the numbers are encoded once, and NumPy copies them into every
record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.recordio.framing import HEADER, MAGIC
from tabular.data.recordio.messages import FLOAT32, FLOAT64, LENGTH

# Field numbers; ``messages`` describes the whole message.
LABEL_MAP = 2
ENTRY_KEY, ENTRY_VALUE = 1, 2
TENSOR_VALUES, TENSOR_SHAPE = 1, 3


def write_labels(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Encode records that hold each column under its name in the ``label`` map.

    Parameters
    ----------
    columns : mapping of str to array of numbers, (rows, ...)
        At least one, all with the same number of rows. Written as ``float32_tensor``, as AWS's
        container does; integers that float32 can't represent as ``float64_tensor``. A row with
        several axes is written flat, with its shape.
    """
    rows = len(next(iter(columns.values())))
    parts = [part for name, column in columns.items() for part in _entry(name, column)]
    size = sum(part.shape[-1] for part in parts)
    parts = [_bytes(HEADER.pack(MAGIC, size)), *parts, _bytes(bytes(-size % 4))]
    return np.hstack([np.broadcast_to(part, (rows, part.shape[-1])) for part in parts]).tobytes()


def _entry(name: str, column: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], ...]:
    """Encode a map entry: the bytes before a row's numbers, the numbers, the bytes after them."""
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
    """Encode the tag and the length of a field of ``size`` bytes."""
    return varint(number << 3 | LENGTH) + varint(size)


def field(number: int, content: bytes) -> bytes:
    """Encode a field of bytes: text, a message, or packed numbers.

    >>> field(1, b"values").hex(" ")
    '0a 06 76 61 6c 75 65 73'
    """
    return _head(number, len(content)) + content


def varint(number: int) -> bytes:
    """Encode a number from 0 on, 7 bits a byte, least significant first.

    >>> varint(300).hex(" ")
    'ac 02'
    """
    low = [number >> shift & 0x7F | 0x80 for shift in range(0, number.bit_length() or 1, 7)]
    return bytes([*low[:-1], low[-1] & 0x7F])


def _bytes(content: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)
