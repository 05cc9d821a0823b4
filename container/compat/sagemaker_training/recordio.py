"""Encode rows as RecordIO-protobuf: dense or sparse, with or without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.recordio.framing import HEADER, MAGIC
from tabular.data.recordio.messages import FLOAT32, FLOAT64, INT32
from tabular.data.recordio.writing import field, varint

# Field numbers of the message; see ``tabular.data.recordio.messages``.
FEATURES, LABEL = 1, 2
ENTRY_KEY, ENTRY_VALUE = 1, 2
VALUES, KEYS, SHAPE = 1, 2, 3


def array_to_recordio_protobuf(array_like: Any, labels: npt.NDArray[Any] | None = None) -> bytes:
    """Encode each row as a record.

    Parameters
    ----------
    array_like : array or SciPy sparse matrix, (rows, columns), or array, (columns,)
        Values of float32, float64 or integers. Integers are written as int32.
    labels : array, (rows,), or None

    Raises
    ------
    ValueError
        The array has other dimensions, or the number of labels is not the number of rows.
    """
    if array_like.ndim == 1:
        array_like = array_like.reshape(1, -1)
    if array_like.ndim != 2:
        raise ValueError(f"the array has {array_like.ndim} dimensions, expected 1 or 2")
    if labels is not None and labels.shape != (array_like.shape[0],):
        raise ValueError(f"{array_like.shape[0]} rows have labels of shape {labels.shape}")
    rows = array_like.tocsr() if hasattr(array_like, "tocsr") else array_like
    return b"".join(
        _record(rows[row : row + 1], None if labels is None else labels[row : row + 1])
        for row in range(array_like.shape[0])
    )


def _record(row: Any, label: npt.NDArray[Any] | None) -> bytes:
    if isinstance(row, np.ndarray):
        features = _tensor(row.ravel())
    else:
        keys = _packed(KEYS, b"".join(varint(int(key)) for key in row.indices))
        features = _tensor(row.data, keys + field(SHAPE, varint(row.shape[1])))
    message = field(FEATURES, features)
    if label is not None:
        message += field(LABEL, _tensor(label))
    return HEADER.pack(MAGIC, len(message)) + message + bytes(-len(message) % 4)


def _tensor(values: npt.NDArray[Any], rest: bytes = b"") -> bytes:
    """Encode the map entry ``values``. ``rest`` has the other fields of the tensor."""
    if values.dtype.kind in "iu":
        # A negative number is encoded as 64 bits.
        kind, packed = INT32, b"".join(varint(int(value) % (1 << 64)) for value in values)
    elif values.dtype == np.float32:
        kind, packed = FLOAT32, values.astype("<f4").tobytes()
    else:
        kind, packed = FLOAT64, values.astype("<f8").tobytes()
    value = field(kind, _packed(VALUES, packed) + rest)
    return field(ENTRY_KEY, b"values") + field(ENTRY_VALUE, value)


def _packed(number: int, numbers: bytes) -> bytes:
    return field(number, numbers) if numbers else b""
