"""Estimates of script requests, compared with the memory that reading them takes."""

from __future__ import annotations

import io
import json
import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from tabular.data.columns import Columns
from tabular.serving.scripted.request_memory import ModelInput, estimate_script_request, is_text
from tabular.serving.scripted.rows import read_array

COUNT = 20_000


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def npz(matrix: object) -> bytes:
    file = io.BytesIO()
    scipy.sparse.save_npz(file, matrix)
    return file.getvalue()


@pytest.mark.parametrize("columns", [None, Columns(4, names=("a", "b", "c", "d"))])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", b",,,\n" * COUNT),
        ("text/csv", b"1,2,3,4\n" * COUNT),
        ("text/csv", b"a,b,c,d\n" * COUNT),
        ("text/csv", b"ab,cd,ef,gh\n" * COUNT),
        ("text/csv", "äö,€,ab,\U0001f600x\n".encode() * COUNT),
        ("text/csv", b"2024-01-05,1.2.3,--,1\n" * COUNT),
        ("application/json", json.dumps([[1, 2, 3, 4]] * COUNT).encode()),
        ("application/json", json.dumps([["ab", "cd", None, 4]] * COUNT).encode()),
        ("application/json", json.dumps([{"a": 1, "b": "xy", "c": 1, "d": 2}] * COUNT).encode()),
        ("application/x-npy", npy(np.ones((COUNT, 4)))),
        ("application/x-npy", npy(np.full((COUNT, 4), "ab"))),
        ("application/x-npz", npz(scipy.sparse.random(COUNT, 50, 0.1, "csr"))),
    ],
)
def test_no_body_takes_more_memory_than_estimated(
    content_type: str, body: bytes, columns: Columns | None
) -> None:
    found = estimate_script_request(body, content_type, ModelInput(columns, frames=True), 0)
    tracemalloc.start()
    try:
        rows = read_array(body, content_type, columns)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.extent.rows >= rows.shape[0]
    assert found.size >= peak


def test_estimate_of_an_empty_sparse_matrix_follows_its_rows() -> None:
    body = npz(scipy.sparse.coo_matrix((10**9, 3)))
    assert len(body) < 2000
    assert (
        estimate_script_request(body, "application/x-npz", ModelInput(None, frames=True), 64).size
        > 64 * 10**9
    )


@pytest.mark.parametrize("body", [b"1,2.5,-3e-5\n,,\n", b"1;+2;1E+4\r\n"])
def test_numbers_are_not_text(body: bytes) -> None:
    assert not is_text(body, None)


@pytest.mark.parametrize("body", [b"a\n", b"2024-01-05", b"1.2.3", b'"1"', b"12:30", b"\xff"])
def test_text_is_detected(body: bytes) -> None:
    assert is_text(body, None)


def test_small_body_has_no_estimate() -> None:
    assert estimate_script_request(b"1,2,3\n", "text/csv", ModelInput(Columns(3)), 64).size < 1000
