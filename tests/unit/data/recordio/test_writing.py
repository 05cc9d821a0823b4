"""Written RecordIO-protobuf, read back by protobuf and the SDK."""

from __future__ import annotations

import io
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sagemaker.amazon.common import read_records
from sagemaker.amazon.record_pb2 import Record

from tabular.data.recordio import framing
from tabular.data.recordio.writing import write_labels

values = st.floats(width=32)
names = st.text(max_size=200)


@given(
    arrays(np.float32, array_shapes(min_dims=1, max_dims=3, max_side=40), elements=values), names
)
def test_records_are_read_back_by_the_sdk(column: np.ndarray, name: str) -> None:
    messages = read_records(io.BytesIO(write_labels({name: column, "other": column})))
    assert len(messages) == len(column)
    for message, row in zip(messages, column, strict=True):
        assert sorted(message.label) == sorted({name, "other"})
        tensor = message.label[name].float32_tensor
        np.testing.assert_array_equal(np.array(tensor.values, np.float32), row.ravel())
        assert list(tensor.shape) == (list(row.shape) if row.ndim > 1 else [])


def test_message_is_protobufs_own_to_the_byte() -> None:
    message = Record()
    message.label["score"].float32_tensor.values.extend([0.5, 2.0])
    expected = message.SerializeToString()
    header = struct.pack("<II", framing.MAGIC, len(expected))
    body = write_labels({"score": np.array([[0.5, 2.0]])})
    assert body == header + expected + bytes(-len(expected) % 4)


def test_frames_are_those_that_the_projects_reader_cuts() -> None:
    body = write_labels({"score": np.arange(5, dtype=np.float32)})
    block, used = framing.cut(body, 1, 0, last=True)
    assert (len(block.starts), used, block.fault) == (5, len(body), "")


def test_whole_numbers_that_float32_can_not_hold_are_float64() -> None:
    (message,) = read_records(io.BytesIO(write_labels({"id": np.array([20240101])})))
    assert list(message.label["id"].float64_tensor.values) == [20240101.0]


def test_true_and_false_are_1_and_0() -> None:
    (message,) = read_records(io.BytesIO(write_labels({"yes": np.array([[True, False]])})))
    assert list(message.label["yes"].float32_tensor.values) == [1.0, 0.0]


def test_size_grows_with_the_rows_and_not_with_their_square() -> None:
    one, hundred = (len(write_labels({"score": np.zeros(rows)})) for rows in (1, 100))
    assert hundred == 100 * one
