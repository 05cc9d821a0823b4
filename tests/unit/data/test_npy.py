"""NumPy arrays in requests: every dtype and order, and headers that do not fit the body."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tabular.data.batch import ColumnCountError
from tabular.data.columns import Columns
from tabular.data.npy import LONGEST_HEADER, read_body

TYPES = ["?", "i1", "u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f4", "<f8", ">f8"]


def saved(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version)
    return file.getvalue()


def with_header(header: str, values: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values


@given(
    st.sampled_from(TYPES).flatmap(
        lambda kind: arrays.arrays(kind, st.tuples(st.integers(1, 5), st.just(3)))
    ),
    st.booleans(),
)
def test_array_of_numbers_is_read(array: np.ndarray[Any, Any], fortran: bool) -> None:
    rows = read_body(saved(np.asfortranarray(array) if fortran else array), Columns(3))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(rows, array.astype(np.float32))
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert rows.flags.writeable


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_version_of_the_format_is_read(version: tuple[int, int]) -> None:
    assert read_body(saved([[1.5, 2]], version), Columns(2)).tolist() == [[1.5, 2]]


def test_one_dimension_is_a_row_or_rows_of_a_single_feature() -> None:
    assert read_body(saved([1, 2]), Columns(2)).tolist() == [[1, 2]]
    assert read_body(saved([1, 2]), Columns(1)).tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "header",
    [
        "{'shape': (1, 2), 'fortran_order': False, 'descr': '<f4'}",
        '{"descr":"<f4","fortran_order":False,"shape":(1,2)}\n',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2,), }    \n",
    ],
)
def test_header_of_another_writer_is_read(header: str) -> None:
    body = with_header(header, np.array([1, 2], "<f4").tobytes())
    assert read_body(body, Columns(2)).tolist() == [[1, 2]]


@pytest.mark.parametrize("array", [[[1, 2]], [1], [[1, 2, 3, 4]], np.empty((0, 2))])
def test_other_number_of_columns_is_refused(array: Any) -> None:
    with pytest.raises(ColumnCountError):
        read_body(saved(array), Columns(3))


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"1,2,3", "no NumPy array"),
        (b"\x93NUMPY", "version 0 of"),
        (b"\x93NUMPY\x09\x00\x00\x00", "version 9 of"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "the header has 4294967295 bytes, of 13 in all"),
        (b"\x93NUMPY\x01\x00", "the header has 0 bytes, of 8 in all"),
        (with_header(" " * (LONGEST_HEADER + 1)), "the header has 4097 bytes"),
        (with_header("(" * LONGEST_HEADER), "expected an array of plain numbers"),
        (with_header(GOOD.replace("<f4", "|O")), "expected an array of plain numbers"),
        (with_header(GOOD.replace("<f4", "<U8")), "expected an array of plain numbers"),
        (with_header(GOOD.replace("<f4", "<c8")), "expected an array of plain numbers"),
        (with_header(GOOD.replace("<f4", "<f3")), "expected an array of plain numbers"),
        (with_header(GOOD.replace("2, 3", "-2, 3")), "expected an array of plain numbers"),
        (with_header(GOOD.replace("2,", "9" * 400 + ",")), "expected an array of plain numbers"),
        (with_header(GOOD, b"\0" * 23), "are 24 bytes, but 23 follow"),
        (with_header(GOOD, b"\0" * 25), "are 24 bytes, but 25 follow"),
        (with_header(GOOD.replace("2,", "900000000,"), b"\0" * 99), "are 10800000000 bytes, but"),
        (saved(np.empty((0, 3))), "the body holds no row"),
        (saved(1.0), "the array has 0 dimensions, expected 2"),
        (saved(np.ones((1, 1, 3))), "the array has 3 dimensions, expected 2"),
    ],
)
def test_array_that_can_not_be_read_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_body(body, Columns(3))


def test_pickle_is_never_read() -> None:
    body = BytesIO()
    np.save(body, np.array([[1, 2, 3]], object), allow_pickle=True)
    with pytest.raises(ValueError, match="no objects"):
        read_body(body.getvalue(), Columns(3))


def test_too_large_for_float32_is_infinite() -> None:
    assert read_body(saved([[1e300, -1e300]]), Columns(2)).tolist() == [[np.inf, -np.inf]]
