"""RecordIO-protobuf in requests."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.data import recordio
from tabular.data.batch import ColumnCountError

from .samples import NAN, SPARSE, dense, filled, framed, record, same_bits, sparse


@pytest.mark.parametrize("rows", [1, 50])
def test_a_body_of_dense_records_is_read_without_labels(rows: int) -> None:
    array = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    same_bits(recordio.read_body(dense(array, None), 3), array)
    same_bits(recordio.read_body(dense(array, np.ones(rows)), 3), array)


@pytest.mark.parametrize("rows", [1, 50])
def test_a_body_of_sparse_records_becomes_dense(rows: int) -> None:
    matrix = scipy.sparse.random(rows, 6, 0.5, "csr", np.float32, random_state=2)
    matrix.sort_indices()
    found = recordio.read_body(sparse(matrix, None), 6)
    assert found.dtype == np.float32
    same_bits(found, filled(matrix, 6))
    assert np.isnan(recordio.read_body(sparse(matrix, None), 8)[:, 6:]).all()


def test_nan_and_infinite_values_pass_in_a_body() -> None:
    found = recordio.read_body(framed(record([NAN, float("inf")], label=[NAN])), 2)
    assert np.isnan(found[0, 0])
    assert np.isposinf(found[0, 1])


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ([record()], 2),
        ([record([1, 2, 3]), record()], 2),
        ([record([1], keys=[7])], 8),
        ([record([])], 0),
        ([record([1], keys=[0], shape=[4])], 4),
    ],
)
def test_a_body_with_other_columns_says_how_many(contents: list[bytes], found: int) -> None:
    with pytest.raises(ColumnCountError) as error:
        recordio.read_body(framed(*contents), 3)
    assert (error.value.found, error.value.expected) == (found, 3)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "the body holds no record"),
        (framed(record())[:-4], r"record 1 \(byte 0\) is cut off after 48 bytes of 52"),
        (framed(record(), record(None)), r"record 2 \(byte 52\) has no tensor"),
        (framed(record(), b"\x0a\xff"), r"record 2 \(byte 61\) is not a Record of protobuf"),
        (framed(record([1], keys=[1, 2])), r"record 1 \(byte 0\) has 1 values and 2 keys"),
        (framed(record([1, 2], keys=[1, 1])), r"record 1 \(byte 0\) has the key 1 twice"),
        (framed(record(), SPARSE), r"record 2 \(byte 52\) is sparse"),
    ],
)
def test_a_broken_body_names_the_record(body: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        recordio.read_body(body, 2)


@given(st.binary(max_size=80), st.integers(1, 4))
@example(framed(record()) + b"\n", 2)
def test_no_body_is_read_but_with_the_models_columns(body: bytes, columns: int) -> None:
    for content in (body, framed(body), framed(record(), body)):
        try:
            found = recordio.read_body(content, columns)
        except ValueError:
            continue
        assert found.shape[1] == columns
