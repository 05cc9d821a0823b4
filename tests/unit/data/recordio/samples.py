"""Records as the SDK and protobuf write them."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from sagemaker.amazon.record_pb2 import Record
from sagemaker.serializer_utils import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor

from tabular.data.recordio import framing

NAN = float("nan")
TENSORS = {"float32": "float32_tensor", "float64": "float64_tensor", "int32": "int32_tensor"}


def framed(*messages: bytes) -> bytes:
    return b"".join(
        struct.pack("<II", framing.MAGIC, len(message)) + message + bytes(-len(message) % 4)
        for message in messages
    )


def record(
    values: Any = (1.0, 2.0),
    label: Any = (1.0,),
    keys: Any = (),
    shape: Any = (),
    kind: str = "float32",
) -> bytes:
    message = Record()
    if values is not None:
        tensor = getattr(message.features["values"], TENSORS[kind])
        tensor.SetInParent()
        tensor.values.extend(values)
        tensor.keys.extend(keys)
        tensor.shape.extend(shape)
    if label is not None:
        message.label["values"].float32_tensor.values.extend(label)
    return bytes(message.SerializeToString())


RECORD_BYTES = len(framed(record()))


def dense(array: Any, labels: Any) -> bytes:
    stream = io.BytesIO()
    write_numpy_to_dense_tensor(stream, array, labels)
    return stream.getvalue()


def sparse(matrix: Any, labels: Any) -> bytes:
    stream = io.BytesIO()
    write_spmatrix_to_sparse_tensor(stream, matrix, labels)
    return stream.getvalue()


def filled(matrix: Any, width: int) -> Any:
    whole = np.full((matrix.shape[0], width), NAN, np.float32)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    whole[rows, matrix.indices] = matrix.data
    return whole


def same_bits(left: Any, right: Any) -> None:
    assert left.shape == right.shape
    np.testing.assert_array_equal(left, right)
    number = ~np.isnan(left)
    np.testing.assert_array_equal(np.signbit(left[number]), np.signbit(right[number]))


SPARSE = record([1.0], keys=[4], shape=[9])
