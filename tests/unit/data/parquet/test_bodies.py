"""Parquet in requests: columns by name and by place, texts, nulls, and bombs."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabular.data.batch import ColumnCountError, ColumnsError, TooLargeError
from tabular.data.columns import Columns
from tabular.data.parquet import bodies
from tabular.data.parquet.bodies import read_body
from tabular.data.parquet.footer import Chunk
from tabular.data.parquet.pages import pages_of

NAMED = Columns(3, names=("age", "city", "pay"), categories={1: ("Bonn", "Ulm")})
TABLE = {"pay": [5.5, None], "age": [30, 31], "city": ["Ulm", None]}


def written(table: Any, **options: Any) -> bytes:
    file = BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 1}])
@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
)
def test_columns_are_found_by_name(kind: Any, options: dict[str, Any]) -> None:
    table = pa.table({**TABLE, "city": pa.array(["Ulm", None]).cast(kind)})
    rows = read_body(written(table, **options), NAMED)
    np.testing.assert_array_equal(rows, [[30, 1, 5.5], [31, np.nan, np.nan]])
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous


def test_columns_of_other_names_are_taken_by_place() -> None:
    body = written({"0": [1.0], "1": [2.0]})
    assert read_body(body, Columns(2)).tolist() == [[1, 2]]
    assert read_body(body, Columns(2, names=("a", "b"))).tolist() == [[1, 2]]


def test_text_that_the_model_does_not_know_is_missing() -> None:
    body = written({"age": [1, 1], "city": ["Rom", ""], "pay": [1, 1]})
    assert np.isnan(read_body(body, NAMED)[:, 1]).all()


@pytest.mark.parametrize(
    "kind",
    [pa.bool_(), pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(21, 2)],
)
def test_type_of_numbers_is_read(kind: Any) -> None:
    values = pa.array([1, 0, None]).cast(kind)
    np.testing.assert_array_equal(
        read_body(written({"a": values}), Columns(1)), [[1], [0], [np.nan]]
    )


def test_dictionary_of_numbers_is_read() -> None:
    values = pa.array([3, None, 3]).dictionary_encode()
    rows = read_body(written({"a": values}), Columns(1))
    np.testing.assert_array_equal(rows, [[3], [np.nan], [3]])


def test_column_of_nulls_is_missing() -> None:
    assert np.isnan(read_body(written({"a": pa.nulls(2)}), Columns(1))).all()


def test_infinite_values_are_read_as_in_csv() -> None:
    body = written({"a": [np.inf, 1e300]})
    assert read_body(body, Columns(1)).tolist() == [[np.inf], [np.inf]]


def test_index_of_pandas_is_left_out() -> None:
    metadata = {b"pandas": b'{"index_columns": ["__index_level_0__"]}'}
    table = pa.table({"a": [1], "__index_level_0__": [7]}).replace_schema_metadata(metadata)
    assert read_body(written(table), Columns(1)).tolist() == [[1]]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**TABLE, "target": [1, 2]}, "the file has 'target', which the model does not know"),
        ({"age": [1], "city": ["Ulm"]}, "the file lacks 'pay'; expected age, city, pay"),
        ({"age": [1], "city": ["Ulm"], "wage": [1]}, "lacks 'pay' and has 'wage'"),
        (pa.table([[1], [1], ["Ulm"], [1]], ["age", "age", "city", "pay"]), "'age' more than once"),
    ],
)
def test_other_columns_are_refused(table: Any, words: str) -> None:
    with pytest.raises(ColumnsError, match=words):
        read_body(written(table), NAMED)


def test_other_number_of_columns_is_refused() -> None:
    with pytest.raises(ColumnCountError):
        read_body(written({"a": [1]}), Columns(2))


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        (
            {**TABLE, "city": [1, 2]},
            NAMED,
            "column 'city': 1 is a number, and .*categories are text",
        ),
        (
            {**TABLE, "age": ["1", "x"]},
            NAMED,
            "column .age.: .x. is not a number; expected",
        ),
        ({"a": [[1]]}, Columns(1), "column 'a' has type list<.*, expected a number"),
        ({"a": pa.array([], pa.int8())}, Columns(1), "the body holds no row"),
        (pa.table([[1], [2]], ["a", "a"]), Columns(2), "a column name twice"),
    ],
)
def test_column_that_does_not_fit_is_named(table: Any, columns: Columns, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_body(written(table), columns)


@pytest.mark.parametrize("values", [["1", "2.5"], [b"1", b"2.5"], [" 1", "2.5 "]])
def test_text_of_a_number_is_the_number(values: list[object]) -> None:
    assert read_body(written({"a": values}), Columns(1)).tolist() == [[1], [2.5]]


@pytest.mark.parametrize(
    "body", [b"PAR1", b"1,2,3", b"PAR1" * 3, written(TABLE)[:-9], written(TABLE)[20:]]
)
def test_broken_file_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="broken Parquet"):
        read_body(body, NAMED)


# The first byte of a field is its type (0x03 a byte, 0x05 a number, 0x07 a float, 0x08 a text, 0x0C
# a struct) and its distance from the field before: 2 and 3 are sizes, 5 is the data page.
@pytest.mark.parametrize(
    "head",
    [
        b"\x15\x00\x13\x01\x15\x02\x2c\x15\x02\x00\x00",  # the size is a byte
        b"\x15\x00\x17" + bytes(8) + b"\x15\x02\x2c\x15\x02\x00\x00",  # a float
        b"\x15\x00\x11\x15\x02\x2c\x15\x02\x00\x00",  # true
        b"\x15\x00\x15\x01\x15\x02\x2c\x15\x02\x00\x00",  # -1
        b"\x15\x00\x15\x02\x15\x01\x2c\x15\x02\x00\x00",  # packed, -1
        b"\x15\x00\x15\x02\x15\x02\x25\x02\x00",  # the data page is a number
        b"\x15\x00\x15\x02\x15\x02\x2c\x13\x02\x00\x00",  # the values are a byte
        b"\x15\x00\x15\x02\x15\x02\x2c\x1c\x00\x00\x00",  # a struct
        b"\x15\x00\x15\x02\x15\x02\x2c\x15\x01\x00\x00",  # -1
        b"\x15\x00\x15\x02\x15\x02\x2c\x15\x02\x13\x00\x00\x00",  # the encoding is a byte
        b"\x15\x00\x15\x02\x15\x02\x2c\x15\x02\x00\x2c\x15\x02\x00\x00",  # two kinds
        b"\x15\x00\x15" + b"\xff" * 20,  # a number without an end
        b"\x15\x00\x18" + b"\xff" * 8 + b"\x7f",  # a text beyond the file
        b"\x15\x00\x19",  # a list
        b"\x1c" * 20,  # structs in structs
        b"\x15",
        b"\x00",
    ],
)
def test_damaged_page_header_is_refused(head: bytes) -> None:
    chunk = Chunk("a", False, 1, len(head), 0, 0)
    with pytest.raises(ValueError, match="broken Parquet: "):
        list(pages_of(BytesIO(head), chunk, len(head)))


def test_file_much_smaller_than_its_rows_is_refused() -> None:
    rows = bodies.MOST_BYTES // 8 + 1
    body = written({"a": np.zeros(rows, np.bool_), "b": np.zeros(rows, np.bool_)})
    assert len(body) < 2_000_000
    # 512 MiB of float32, and 20 MiB of values that are being decoded.
    with pytest.raises(TooLargeError, match="take 532 MiB in memory, expected at most 512 MiB; se"):
        read_body(body, Columns(2))


def test_long_text_in_each_row_is_held_once() -> None:
    text = "x" * 1_000_000
    table = {"a": pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), [text])}
    before = pa.total_allocated_bytes()
    rows = read_body(written(table), Columns(1, categories={0: (text,)}))
    assert (rows == 0).all()
    assert pa.total_allocated_bytes() - before < 1 << 20
