"""JSON requests: the forms of rows that are read, and the messages of those that are refused."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.data.batch import ColumnCountError, ColumnsError
from tabular.data.columns import Columns
from tabular.data.json import read_document, read_lines

PLAIN = Columns(2)
NAMED = Columns(3, names=("age", "city", "pay"), categories={1: ("Bonn", "Ulm")})
ROW = {"pay": 5, "age": 30, "city": "Ulm"}


def document(value: Any, columns: Columns = PLAIN) -> list[list[float]]:
    return read_document(json.dumps(value).encode(), columns).tolist()


@pytest.mark.parametrize("wrapper", ["instances", "features", "inputs", "data", None])
@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2]],
        [1, 2],
        [{"features": [1, 2]}],
        {"features": [1, 2]},
        {"features": [[1, 2]]},
        [{"data": {"features": [1, 2]}}],
        {"data": {"features": [1, 2]}},
    ],
)
def test_shape_of_a_row_is_read(rows: Any, wrapper: str | None) -> None:
    assert document({wrapper: rows} if wrapper else rows) == [[1, 2]]


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], [{"features": [1, 2]}, [3, 4]]])
@pytest.mark.parametrize("wrapper", ["instances", "features", "inputs"])
def test_several_rows_are_read(rows: Any, wrapper: str) -> None:
    assert document({wrapper: rows}) == [[1, 2], [3, 4]]


@pytest.mark.parametrize("rows", [ROW, [ROW], {"instances": [ROW]}, {"inputs": ROW}])
def test_row_by_name_is_put_in_order(rows: Any) -> None:
    assert document(rows, NAMED) == [[30, 1, 5]]


def test_flat_list_is_rows_of_a_single_feature() -> None:
    assert document([1, 2, 3], Columns(1)) == [[1], [2], [3]]
    assert document({"instances": [[1], [2]]}, Columns(1)) == [[1], [2]]


def test_feature_may_have_the_name_of_a_wrapper() -> None:
    columns = Columns(1, names=("data",))
    assert document({"data": 3}, columns) == [[3]]
    assert document([{"data": 3}, {"data": 4}], columns) == [[3], [4]]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", 1.0),
        ("-0.0", -0.0),
        ("true", 1.0),
        ("false", 0.0),
        ("null", np.nan),
        ("NaN", np.nan),
        ("-Infinity", -np.inf),
        ('"nan"', np.nan),
        ('"-inf"', -np.inf),
        ('"Infinity"', np.inf),
        ("1e39", np.inf),
        ("1" + "0" * 5000, np.inf),
        ("16777217", np.float32(16777217)),
    ],
)
@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_value_becomes_a_number(value: str, number: float, names: tuple[str, ...]) -> None:
    rows = read_document(f"[[{value}, 7]]".encode(), Columns(2, names=names))
    np.testing.assert_array_equal(rows, np.array([[number, 7]], np.float32))
    assert rows.dtype == np.float32


@pytest.mark.parametrize(("city", "code"), [("Bonn", 0), ("Rom", np.nan), ("", np.nan)])
def test_text_becomes_its_code(city: str, code: float) -> None:
    np.testing.assert_array_equal(document([[1, city, 2]], NAMED), [[1, code, 2]])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1, 2], [3]], "expected 2 columns in each row, found 1 in row 2"),
        ([1, 2, 3], "expected 2 columns in each row, found 3 in row 1"),
        ([[]], "found 0 in row 1"),
        ([[1, 2], {"features": [1, 2, 3]}], "found 3 in row 2"),
    ],
)
def test_other_number_of_values_is_refused(rows: Any, words: str) -> None:
    with pytest.raises(ColumnCountError, match=words):
        document(rows)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"age": 1, "city": "Ulm"}, "row 2 lacks 'pay'; expected age, city, pay"),
        ({**ROW, "x\n": 1}, r"row 2 has 'x\\n', which the model does not know; expected age, "),
        ({"age": 1, "town": "Ulm", "pay": 1}, "lacks 'city' and has 'town', which"),
        ({}, "row 2 lacks 'age', 'city', 'pay'"),
    ],
)
def test_other_names_are_refused(row: Any, words: str) -> None:
    with pytest.raises(ColumnsError, match=words):
        document([ROW, row], NAMED)


def test_rows_by_name_are_refused_without_names() -> None:
    with pytest.raises(ColumnsError, match="row 1 is an object, and the model's features have no"):
        document({"instances": [{"a": 1, "b": 2}]})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1, 2], [3, "x"]], r"^row 2, column 2: 'x' is not a number; expected a number, or null"),
        ([[1, [2]]], r"row 1, column 2 is a list; expected a number"),
        ([[1, {"a": 2}]], r"row 1, column 2 is an object"),
        ([1, [2]], r"row 1, column 2 is a list"),
        ([[1, 2], 3], "row 2 is a number, expected a list of 2 values, or an object by"),
        ([[1, 2], None], "row 2 is null, expected"),
        ([], "the body holds no row"),
        ({"instances": []}, "the body holds no row"),
        ("x", 'the body is a text, expected {"instances":'),
    ],
)
def test_value_that_is_no_number_is_refused(rows: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        document(rows)


@pytest.mark.parametrize("value", [1, True])
def test_number_is_refused_in_a_column_of_text(value: Any) -> None:
    with pytest.raises(ValueError, match=r"row 1, column 2 \(city\): .*; expected one of"):
        document([[1, value, 2]], NAMED)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, character 1: Expecting value"),
        (b"[[1, 2],\n[3,, 4]]", "^line 2, character 4: Expecting value"),
        (b"[[1, 2]", "line 1, character 8"),
        (b"[[1, 2]] x", "line 1, character 10: Extra data"),
        (b"[[1,\n\xff]]", "^line 2: byte 1 is not UTF-8"),
        (b'{"instances": 1, "instances": 2}', "the key 'instances' 2 times"),
        (b'[{"a": 1, "a": 2}]', "the key 'a' 2 times"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 500 + b"]" * 500, "row 1"),
    ],
)
def test_body_that_is_no_json_is_named(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_document(body, PLAIN)


def test_object_of_many_keys_is_refused_at_once() -> None:
    keys = ",".join(f'"{number}": 1' for number in [*range(50_000), 49_999])
    start = time.process_time()
    with pytest.raises(ValueError, match="the key '49999' 2 times"):
        read_document(f"{{{keys}}}".encode(), PLAIN)
    assert time.process_time() - start < 1


def test_byte_order_mark_is_no_fault() -> None:
    assert read_document(b"\xef\xbb\xbf[1,2]", PLAIN).tolist() == [[1, 2]]


def test_message_of_a_lone_surrogate_can_be_sent() -> None:
    with pytest.raises(ColumnsError) as error:
        read_document(rb'{"\ud800": 1}', NAMED)
    str(error.value).encode()


def test_every_line_is_a_row() -> None:
    body = (
        b'[30, "Ulm", 5]\r\n{"features": [31, "Bonn", null]}\n'
        b'{"data": {"features": [1, 2, 3]}}\n'.replace(b"1, 2, 3", b'1, "", 3')
        + b'{"city": "Ulm", "pay": 1, "age": 2}\n'
    )
    expected = [[30, 1, 5], [31, 0, np.nan], [1, np.nan, 3], [2, 1, 1]]
    np.testing.assert_array_equal(read_lines(body, NAMED), expected)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[1,2]\n\n[3,4]", "line 2 is empty; every line is a row"),
        (b"\n[3,4]", "line 1 is empty"),
        (b" \n", "the body holds no row"),
        (b"[1,2]\n[3,4", "^line 2, character 5: "),
        (b"[1,2]\n[3,\xff]", "^line 2: byte 4 is not UTF-8"),
        (b"[1,2] [3,4]", "line 1, character 7: Extra data"),
        (b"[1,2],\n[3,4]", "line 1, character 6: Extra data"),
        (b"[1,2]\n3", "line 2 is a number, expected a list of 2 values"),
        (b"[1,2]\n[3,[4]]", "line 2, column 2 is a list"),
        (b"[1,2]\n[[3],[4]]", "line 2, column 1 is a list"),
        (b"[1,2]\n[[3,4]]", "found 1 in line 2"),
        (b"[1,2]\n[3,4,5]", "found 3 in line 2"),
    ],
)
def test_line_that_is_no_row_is_named(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_lines(body, PLAIN)


def test_line_of_a_single_feature_is_one_row() -> None:
    assert read_lines(b"[1]\n[2]\n", Columns(1)).tolist() == [[1], [2]]
    with pytest.raises(ColumnCountError):
        read_lines(b"[1, 2]", Columns(1))


@given(
    st.lists(
        st.tuples(st.floats(width=32), st.floats(), st.integers(-(2**70), 2**70), st.booleans()),
        min_size=1,
    )
)
def test_numbers_of_json_are_those_of_csv(rows: list[tuple[float, ...]]) -> None:
    with np.errstate(over="ignore"):
        expected = np.array(rows, np.float64).astype(np.float32)
    np.testing.assert_array_equal(document(rows, Columns(4)), expected)
    lines = "\n".join(map(json.dumps, rows)).encode()
    np.testing.assert_array_equal(read_lines(lines, Columns(4)), expected)
