"""Parquet files and streams: columns by name, types, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.dates import DateStyle, seconds_of
from tabular.data.declared import declared_columns
from tabular.data.layout import Layout
from tabular.data.parquet import files as parquet
from tabular.data.source import Source

PLAIN = Layout()
CATEGORIES = Layout(categorical=True)
MISSING = "a label, weight or group is missing; every row needs one"


def content_of(columns: dict[str, Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream, **options)
    return stream.getvalue()


def write(folder: Path, content: bytes | dict[str, Any], **options: Any) -> Path:
    path = folder / "data.parquet"
    path.write_bytes(content if isinstance(content, bytes) else content_of(content, **options))
    return path


def read(path: Path, layout: Layout = PLAIN, threads: int = 2) -> list[Batch]:
    return list(parquet.read_file(Source(path), layout, threads))


def one(folder: Path, columns: dict[str, Any], layout: Layout = PLAIN) -> Batch:
    (batch,) = read(write(folder, columns), layout)
    return batch


def refusal(folder: Path, content: bytes | dict[str, Any], layout: Layout = PLAIN) -> str:
    with pytest.raises(UserError) as caught:
        read(write(folder, content), layout)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    assert str(folder) in message
    return message


def rows(batches: list[Batch]) -> list[list[float]]:
    values = [np.column_stack([batch.label, batch.features]) for batch in batches]
    return [list(map(float, row)) for row in np.concatenate(values)]


def texts(batch: Batch, column: int) -> list[str | None]:
    names = batch.categories[column]
    features: Any = batch.features
    return [None if np.isnan(code) else names[int(code)] for code in features[:, column]]


def streamed(folder: Path, content: bytes) -> Source:
    path = folder / "train_0"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return Source(path, lambda: path.open("rb", buffering=0))


# Columns


def test_first_column_is_the_label(tmp_path: Path) -> None:
    batch = one(tmp_path, {"y": [1, 2], "a": [3.5, 4.5], "b": [5, 6]})
    assert (batch.label.tolist(), batch.features.tolist()) == ([1, 2], [[3.5, 5], [4.5, 6]])
    assert list(batch.names) == ["a", "b"]


def test_arrays_are_float32_and_contiguous(tmp_path: Path) -> None:
    batch = one(tmp_path, {"y": [1.0], "a": [3.5], "w": [5]}, Layout(weight="w"))
    assert batch.weight is not None
    for array in (batch.features, batch.label, batch.weight):
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_every_role_is_found_by_name(tmp_path: Path) -> None:
    columns = {"b": [1], "q": [(1 << 62) + 1], "y": [3], "a": [4], "w": [0.5], "note": ["x"]}
    layout = Layout(target="y", weight="w", group="q", features=("a", "b"))
    batch = one(tmp_path, columns, layout)
    assert batch.weight is not None
    assert batch.qid is not None
    assert batch.qid.dtype == np.int64
    assert (batch.label.tolist(), batch.weight.tolist()) == ([3], [0.5])
    assert (batch.qid.tolist(), batch.features.tolist()) == ([(1 << 62) + 1], [[4, 1]])


def test_csv_weights_are_not_for_parquet(tmp_path: Path) -> None:
    batch = one(tmp_path, {"y": [1], "a": [2], "b": [3]}, Layout(weights=True))
    assert batch.weight is None
    assert batch.features.tolist() == [[2, 3]]


def test_names_with_points_are_columns(tmp_path: Path) -> None:
    batch = one(tmp_path, {"y": [1], "a": [2], "a.b": [3]}, Layout(features=("a.b",)))
    assert batch.features.tolist() == [[3]]


def test_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    frame = pandas.DataFrame({"y": [1, 2, 3], "a": [3, 4, 5]}, index=[7, 9, 4])
    frame.to_parquet(path)
    assert "__index_level_0__" in pyarrow.parquet.read_schema(path).names
    (batch,) = read(path)
    assert list(batch.names) == ["a"]
    frame.rename_axis("a0").to_parquet(path)
    (batch,) = read(path, Layout(features=("a0",)))
    assert batch.features.tolist() == [[7], [9], [4]]


# Types


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pyarrow.array([1, None], pyarrow.int8()), 1),
        (pyarrow.array([1 << 40, None], pyarrow.int64()), 1 << 40),
        (pyarrow.array([(1 << 24) + 1, None], pyarrow.int64()), 1 << 24),
        (pyarrow.array([1 << 63, None], pyarrow.uint64()), 1 << 63),
        (pyarrow.array([1.5, None], pyarrow.float16()), 1.5),
        (pyarrow.array([1.5, None], pyarrow.float32()), 1.5),
        (pyarrow.array([1.5, None], pyarrow.float64()), 1.5),
        (pyarrow.array([1.5, float("nan")], pyarrow.float64()), 1.5),
        (pyarrow.array([True, None]), 1),
        (pyarrow.array([Decimal("1.5"), None]), 1.5),
        (pyarrow.array([5, None]).dictionary_encode(), 5),
    ],
    ids=lambda values: str(getattr(values, "type", "")),
)
def test_number_is_read(tmp_path: Path, values: Any, expected: float) -> None:
    batch = one(tmp_path, {"y": [1, 2], "x": values})
    features: Any = batch.features
    assert features[0, 0] == expected
    assert np.isnan(features[1, 0])


def test_column_of_nulls_is_missing(tmp_path: Path) -> None:
    batch = one(tmp_path, {"y": [1, 2], "x": pyarrow.nulls(2)})
    assert np.isnan(batch.features).all()


@pytest.mark.parametrize(
    "kind",
    [
        pyarrow.string(),
        pyarrow.large_string(),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", [CATEGORIES, Layout(feature_types=("c",))])
def test_text_is_a_category(tmp_path: Path, kind: Any, layout: Layout) -> None:
    values = pyarrow.array(["red", "blue", None, "red"]).cast(kind)
    batch = one(tmp_path, {"y": [1, 2, 3, 4], "color": values}, layout)
    assert texts(batch, 0) == ["red", "blue", None, "red"]


def test_codes_by_feature_types_keep_their_numbers(tmp_path: Path) -> None:
    layout = Layout(feature_types=("c",), categorical=True)
    batch = one(tmp_path, {"y": [1, 2, 3], "x": [5, None, 0]}, layout)
    assert not batch.categories
    assert np.nan_to_num(batch.features, nan=-1).tolist() == [[5], [-1], [0]]


@pytest.mark.parametrize(
    ("columns", "layout", "words"),
    [
        ({"y": [1], "x": ["a"]}, PLAIN, "column 'x' is text (string); set enable_categorical=true"),
        ({"y": [1], "x": ["a"]}, Layout(categorical=True, feature_types=("q",)), "types has q"),
        ({"y": ["a"], "x": [1]}, CATEGORIES, "row 1, column 'y': 'a' is not a number"),
        ({"y": [1], "x": [date(2026, 1, 1)]}, PLAIN, "column 'x' has type date32[day]"),
        ({"y": [1], "x": [[1, 2]]}, PLAIN, "column 'x' has type list<"),
        ({"y": [1], "x": [{"a": 1}]}, PLAIN, "column 'x' has type struct<"),
        ({"y": [1], "x": [[1]]}, PLAIN, "choose other columns with the hyperparameter features"),
        ({"y": [date(2026, 1, 1)], "x": [1]}, PLAIN, "labels and weights are numbers"),
        ({"y": [1, None], "x": [1, 2]}, PLAIN, f"row 2, column 'y': {MISSING}"),
        ({"y": [1.0, float("nan")], "x": [1, 2]}, PLAIN, f"row 2, column 'y': {MISSING}"),
        ({"y": [1], "x": [1], "w": [None]}, Layout(weight="w"), f"row 1, column 'w': {MISSING}"),
        ({"y": [1], "x": [float("inf")]}, PLAIN, "row 1, column 'x': infinite, or too large"),
        ({"y": [1], "x": [1e300]}, PLAIN, "row 1, column 'x': infinite, or too large"),
        ({"y": [float("inf")], "x": [1]}, PLAIN, "row 1, column 'y': infinite, or too large"),
        ({"y": [1, 1], "x": [0, -1]}, Layout(feature_types=("c",)), "row 2, column 'x': no code"),
        ({"y": [1, 1], "x": [0, 0.5]}, Layout(feature_types=("c",)), "row 2, column 'x': no code"),
        ({"y": [1], "x": [1], "q": [1.0]}, Layout(group="q"), "the group must be an integer"),
        ({"y": [1], "x": [1], "q": ["a"]}, Layout(group="q"), "the group must be an integer"),
        (
            {"y": [1, 1], "x": [1, 1], "q": [1, None]},
            Layout(group="q"),
            f"row 2, column 'q': {MISSING}",
        ),
        (
            {"y": [1], "x": [1], "q": pyarrow.array([1 << 63], pyarrow.uint64())},
            Layout(group="q"),
            "write groups as 64-bit integers",
        ),
        ({"y": [1]}, PLAIN, "has no feature column"),
        ({}, PLAIN, "has no columns"),
        ({"y": [1], "price": [1]}, Layout(target="prise"), "did you mean 'price'?"),
        ({"y": [1], "x": [1]}, Layout(feature_types=("q", "q")), "feature_types has 2 entries"),
    ],
)
def test_column_is_refused(
    tmp_path: Path, columns: dict[str, Any], layout: Layout, words: str
) -> None:
    assert words in refusal(tmp_path, columns, layout)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    table = pyarrow.Table.from_arrays([pyarrow.array([1])] * 3, names=["y", "x", "x"])
    pyarrow.parquet.write_table(table, stream)
    assert "has 2 columns with the name 'x'" in refusal(tmp_path, stream.getvalue())


# Batches


@pytest.mark.parametrize("threads", [1, 2])
def test_large_file_comes_in_batches(tmp_path: Path, threads: int) -> None:
    count = parquet.BATCH_ROWS * 2 + 5
    path = write(tmp_path, {"y": np.arange(count) % 1000, "x": np.arange(count) % 7})
    batches = read(path, threads=threads)
    assert [len(batch) for batch in batches] == [parquet.BATCH_ROWS] * 2 + [5]
    assert np.array_equal(
        np.concatenate([batch.label for batch in batches]), np.arange(count) % 1000
    )
    assert batches[2].where(1) == f"row {parquet.BATCH_ROWS * 2 + 2}"


def test_row_groups_keep_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, {"y": range(100), "x": range(100)}, row_group_size=7)
    assert rows(read(path)) == [[row, row] for row in range(100)]


def test_categories_are_those_of_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    path = write(tmp_path, {"y": [1] * 5, "x": ["a", "b", "c", "a", None]})
    batches = read(path, CATEGORIES)
    assert all(list(batch.categories) == [0] for batch in batches)
    assert [text for batch in batches for text in texts(batch, 0)] == ["a", "b", "c", "a", None]


def test_file_without_rows_has_no_batch(tmp_path: Path) -> None:
    assert read(write(tmp_path, {"y": pyarrow.array([], pyarrow.int64()), "x": []})) == []


@given(
    st.lists(
        st.tuples(
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        ),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
)
def test_rows_survive_a_file(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[Any, Any, Any]], stream: bool
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    label, number, text = zip(*table, strict=True)
    content = content_of(
        {
            "y": list(label),
            "x": pyarrow.array(number, pyarrow.float32()),
            "t": pyarrow.array(text, pyarrow.string()),
        }
    )
    source = streamed(folder, content) if stream else Source(write(folder, content))
    (batch,) = parquet.read_file(source, CATEGORIES, 1)
    features: Any = batch.features
    assert batch.label.tolist() == list(label)
    assert [None if np.isnan(x) else x for x in features[:, 0].tolist()] == list(number)
    assert texts(batch, 1) == list(text)


# Streams


def test_stream_of_several_files_is_read_whole(tmp_path: Path) -> None:
    files = [content_of({"y": [number] * 3, "x": [number] * 3}) for number in range(20)]
    batches = list(parquet.read_file(streamed(tmp_path, b"".join(files)), PLAIN, 2))
    assert rows(batches) == [[number, number] for number in range(20) for _ in range(3)]
    assert batches[0].where(1) == "row 2"
    assert batches[2].where(1) == "row 2 of the stream's Parquet file 3"


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
def test_end_of_a_file_is_found_in_any_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(parquet, "READ_BYTES", size)
    files = [content_of({"y": [number], "x": [number]}) for number in range(3)]
    batches = list(parquet.read_file(streamed(tmp_path, b"".join(files)), PLAIN, 2))
    assert rows(batches) == [[0, 0], [1, 1], [2, 2]]


def test_magic_bytes_in_the_data_end_no_file(tmp_path: Path) -> None:
    words = ["PAR1PAR1", "\x01\0\0\0PAR1PAR1", "PAR1PAR1PAR1PAR1"]
    columns = {"y": [1, 2, 3], "x": words}
    content = content_of(columns, compression="none", use_dictionary=False)
    assert content.count(b"PAR1PAR1") >= 3
    batches = list(parquet.read_file(streamed(tmp_path, content * 2), CATEGORIES, 2))
    assert [texts(batch, 0) for batch in batches] == [words, words]


@pytest.mark.parametrize("compress", [gzip.compress, pyarrow.Codec("zstd").compress])
def test_compressed_file_is_read(tmp_path: Path, compress: Callable[[bytes], Any]) -> None:
    content = bytes(compress(content_of({"y": [1, 2], "x": [3, 4]})))
    assert rows(read(write(tmp_path, content))) == [[1, 3], [2, 4]]


def test_stream_without_bytes_has_no_batch(tmp_path: Path) -> None:
    assert list(parquet.read_file(streamed(tmp_path, b""), PLAIN, 2)) == []


def test_file_without_bytes_has_no_batch(tmp_path: Path) -> None:
    assert read(write(tmp_path, b"")) == []


# Broken files


GOOD = content_of({"y": list(range(1000)), "x": list(range(1000))})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1,2\n3,4\n", "is not Parquet (it begins with b'1,2\\n'"),
        (b"x", "is not Parquet"),
        (GOOD[:-1], "is cut off"),
        (GOOD[: len(GOOD) // 2], "is cut off"),
        (b"PAR1", "is cut off"),
        (b"PAR1PAR1", "is broken Parquet"),
        (b"PAR1" + b"\xff" * 50 + b"PAR1", "is broken Parquet"),
        (GOOD[:4] + b"\xff" * 200 + GOOD[204:], "is broken Parquet"),
        (b"PARE" + GOOD[4:-4] + b"PARE", "is encrypted"),
        (gzip.compress(GOOD, mtime=0)[:-10], "can't be read"),
        (gzip.compress(b"1,2\n", mtime=0), "is not Parquet"),
    ],
)
def test_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refusal(tmp_path, content)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path / "gone.parquet")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD + GOOD[:-1], "is cut off"),
        (GOOD + GOOD[:300], "is cut off"),
        (b"y,x\n1,2\n", "is not Parquet"),
    ],
)
def test_stream_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        list(parquet.read_file(streamed(tmp_path, content), PLAIN, 2))


def dates(folder: Path, columns: dict[str, Any], layout: Layout = CATEGORIES) -> list[float]:
    batch = one(folder, {"y": [1] * len(next(iter(columns.values()))), **columns}, layout)
    assert isinstance(batch.features, np.ndarray)
    assert batch.features.shape[1] == 1
    return batch.dates[0].tolist()


@pytest.mark.parametrize(
    "kind",
    [
        *(pyarrow.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
        pyarrow.timestamp("us", "Europe/Berlin"),
    ],
    ids=str,
)
def test_timestamp_is_seconds_since_1970(tmp_path: Path, kind: Any) -> None:
    moments = [datetime(2026, 11, 28, 10, 30, tzinfo=UTC), None, datetime(1960, 1, 1, tzinfo=UTC)]
    found = dates(
        tmp_path, {"x": pyarrow.array(moments, pyarrow.timestamp("us", "UTC")).cast(kind)}
    )
    np.testing.assert_equal(found, [1795861800, np.nan, -315619200])


def test_fraction_of_a_second_is_that_of_text(tmp_path: Path) -> None:
    moment = datetime(1960, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    found = dates(tmp_path, {"x": pyarrow.array([moment], pyarrow.timestamp("ns"))})
    assert found == [seconds_of("1960-01-01T00:00:00.999999", DateStyle.YEAR_FIRST)]


@pytest.mark.parametrize("kind", [pyarrow.date32(), pyarrow.date64()], ids=str)
def test_date_is_seconds_since_1970(tmp_path: Path, kind: Any) -> None:
    found = dates(tmp_path, {"x": pyarrow.array([date(2026, 11, 28), None], kind)})
    np.testing.assert_equal(found, [1795824000, np.nan])


def test_text_that_the_job_declares_a_date(tmp_path: Path) -> None:
    declared = declared_columns(
        '{"columns": [{"name": "x", "kind": "date", "style": "28.11.2026"}]}', "schema"
    )
    layout = replace(CATEGORIES, declared=declared)
    assert dates(tmp_path, {"x": ["28.11.2026"]}, layout) == [1795824000]
    words = refusal(tmp_path, {"y": [1, 1], "x": ["1.2.2026", "2.13.2026"]}, layout)
    assert "row 2, column 'x': '2.13.2026' is not a date; expected a date such as" in words


def test_date_of_a_year_without_a_text_is_refused(tmp_path: Path) -> None:
    far = pyarrow.array([1 << 50], pyarrow.timestamp("s"))
    words = refusal(tmp_path, {"y": [1], "x": far}, CATEGORIES)
    assert "row 1, column 'x': a date outside of the years 1 to 9999" in words


def test_date_that_the_job_declares_a_category_is_text(tmp_path: Path) -> None:
    declared = declared_columns('{"columns": [{"name": "x", "kind": "category"}]}', "schema")
    layout = replace(CATEGORIES, declared=declared, deferred=True)
    batch = one(tmp_path, {"y": [1], "x": [date(2026, 11, 28)]}, layout)
    assert batch.categories == {0: ["2026-11-28"]}


def test_text_of_a_date_does_not_depend_on_its_type(tmp_path: Path) -> None:
    declared = declared_columns('{"columns": [{"name": "x", "kind": "category"}]}', "schema")
    layout = replace(CATEGORIES, declared=declared, deferred=True)
    moments = pyarrow.array([datetime(2026, 11, 28), datetime(2026, 11, 29), None])
    for kind in (
        *(pyarrow.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
        *(pyarrow.date32(), pyarrow.date64()),
    ):
        batch = one(tmp_path, {"y": [1] * 3, "x": moments.cast(kind)}, layout)
        assert batch.categories == {0: ["2026-11-28", "2026-11-29"]}, kind
        assert isinstance(batch.features, np.ndarray)
        np.testing.assert_equal(batch.features[:, 0], [0, 1, np.nan])


def test_date_that_means_a_missing_value(tmp_path: Path) -> None:
    layout = replace(CATEGORIES, missing=("", "9999-12-31"))
    found = dates(tmp_path, {"x": [date(2026, 11, 28), date(9999, 12, 31)]}, layout)
    np.testing.assert_equal(found, [1795824000, np.nan])
