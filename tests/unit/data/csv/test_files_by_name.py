"""CSV files with a header: columns chosen by name, and text as categories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.csv import files as csv
from tabular.data.layout import Layout
from tabular.data.source import Source
from tabular.data.spelling import MISSING

HEADER = Layout(header=True)
CATEGORIES = Layout(header=True, categorical=True)
FILE = "id,price,size,age,w,shop\n1,10,20,30,0.5,7\n2,11,21,31,0.25,8\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, layout: Layout) -> list[Batch]:
    return list(csv.read_file(Source(path), layout, 2))


def one(folder: Path, content: str | bytes, layout: Layout) -> Batch:
    (batch,) = read(write(folder, content), layout)
    return batch


def refusal(folder: Path, content: str | bytes, layout: Layout) -> str:
    with pytest.raises(UserError) as caught:
        read(write(folder, content), layout)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    return message


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 8)
    monkeypatch.setattr(csv, "BLOCK_BYTES_PER_COLUMN", 1)


def texts(batch: Batch, column: int) -> list[str | None]:
    """Translate the codes of a column back."""
    names = batch.categories[column]
    features: Any = batch.features
    return [None if np.isnan(code) else names[int(code)] for code in features[:, column]]


# Columns by name


def test_header_alone_keeps_the_places(tmp_path: Path) -> None:
    batch = one(tmp_path, FILE, HEADER)
    assert batch.label.tolist() == [1, 2]
    assert list(batch.names) == ["price", "size", "age", "w", "shop"]
    assert batch.features.tolist() == [[10, 20, 30, 0.5, 7], [11, 21, 31, 0.25, 8]]


def test_header_with_csv_weights_takes_the_second_column(tmp_path: Path) -> None:
    batch = one(tmp_path, FILE, Layout(header=True, weights=True))
    assert batch.weight is not None
    assert batch.weight.tolist() == [10, 11]
    assert list(batch.names) == ["size", "age", "w", "shop"]


def test_every_role_is_found_by_name(tmp_path: Path) -> None:
    layout = Layout(target="price", weight="w", group="shop", features=("size", "id"))
    batch = one(tmp_path, FILE, layout)
    assert batch.weight is not None
    assert batch.qid is not None
    assert batch.qid.dtype == np.int64
    assert (batch.label.tolist(), batch.weight.tolist()) == ([10, 11], [0.5, 0.25])
    assert (batch.qid.tolist(), batch.features.tolist()) == ([7, 8], [[20, 1], [21, 2]])
    assert list(batch.names) == ["size", "id"]


def test_features_are_all_other_columns(tmp_path: Path) -> None:
    batch = one(tmp_path, FILE, Layout(target="age", weight="w", group="shop"))
    assert list(batch.names) == ["id", "price", "size"]


def test_label_is_the_first_column_without_target(tmp_path: Path) -> None:
    batch = one(tmp_path, FILE, Layout(features=("size",)))
    assert batch.label.tolist() == [1, 2]


def test_order_of_the_columns_does_not_matter(tmp_path: Path) -> None:
    layout = Layout(target="y", features=("a", "b"))
    first = one(tmp_path, "y,a,b\n1,2,3\n", layout)
    second = one(tmp_path, "b,y,a\n3,1,2\n", layout)
    assert first.features.tolist() == second.features.tolist() == [[2, 3]]
    assert first.label.tolist() == second.label.tolist() == [1]


def test_groups_are_exact_int64(tmp_path: Path) -> None:
    large = (1 << 62) + 1
    batch = one(tmp_path, f"y,q,x\n1,{large},3\n1,-{large},3\n", Layout(group="q"))
    assert batch.qid is not None
    assert batch.qid.tolist() == [large, -large]


def test_columns_that_are_not_chosen_may_hold_anything(tmp_path: Path) -> None:
    batch = one(tmp_path, 'y,note,x\n1,"hello, world",3\n', Layout(target="y", features=("x",)))
    assert batch.features.tolist() == [[3]]


@pytest.mark.parametrize(
    "header",
    [
        '"y","x, of two","b"',
        'y, "x, of two", b',
        '\ufeffy,"x, of two",b',
        '\n\r\n"y";"x, of two";"b"',
        '"y"\t"x, of two"\tb\r',
    ],
)
def test_header_is_read_with_its_quotes(tmp_path: Path, header: str) -> None:
    delimiter = ";" if ";" in header else "\t" if "\t" in header else ","
    batch = one(tmp_path, f"{header}\n1{delimiter}2{delimiter}3\n", HEADER)
    assert list(batch.names) == ["x, of two", "b"]


def test_lines_are_counted_from_the_header_on(tmp_path: Path) -> None:
    batch = one(tmp_path, "\ny,x\n\n1,2\n\n3,4\n", HEADER)
    assert [batch.where(0), batch.where(1)] == ["line 4", "line 6"]


def test_header_alone_in_the_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    batches = read(write(tmp_path, "label,feature\n\n\n1,2\n3,4\n"), HEADER)
    assert [batch.label.tolist() for batch in batches] == [[1, 3]]
    assert batches[0].where(1) == "line 5"


def test_header_without_rows_has_no_batch(tmp_path: Path) -> None:
    assert read(write(tmp_path, "y,x\n\n"), HEADER) == []


@pytest.mark.parametrize(
    ("content", "layout", "words"),
    [
        ("1,2\n3,4\n", HEADER, "has no header: line 1 holds numbers only ('1', '2')"),
        (FILE, Layout(target="prise"), "no column 'prise', which the hyperparameter target names"),
        (FILE, Layout(target="prise"), "did you mean 'price'?"),
        (FILE, Layout(target="Price"), "did you mean 'price'?"),
        (FILE, Layout(target="prise"), "its columns are id, price, size, age, w, shop"),
        (FILE, Layout(weight="nothing"), "which the hyperparameter weight names; its columns"),
        (FILE, Layout(group="grp"), "which the hyperparameter group names"),
        (FILE, Layout(features=("size", "sizes")), "which the hyperparameter features names"),
        (FILE, Layout(target="price", features=("price",)), "'price' is taken for target and"),
        (FILE, Layout(features=("id",)), "without target the first column is the label"),
        (FILE, Layout(weight="id"), "'id' is taken for target and for weight"),
        (FILE, Layout(features=("size", "size")), "'size' is taken for features twice"),
        (FILE, Layout(target="price", weights=True), "name the weight column too"),
        ("y,x,x\n1,2,3\n", HEADER, "has 2 columns with the name 'x'"),
        ("y,,x\n1,2,3\n", HEADER, "column 2 of 3 has no name"),
        ("y,x,\n1,2,3\n", HEADER, "column 3 of 3 has no name"),
        ("y,w\n1,2\n", Layout(weight="w"), "has no feature column"),
        ("y\n1\n", HEADER, "line 1 is 'y': no delimiter"),
        ('y,"x\n1,2\n', HEADER, "line 1: the header's quotes do not match"),
        ("y,\xff\n1,2\n".encode("latin-1"), HEADER, "line 1: byte 3 is not UTF-8"),
        ("y,x\n1,2\n".encode("utf-16"), HEADER, "is not text (UTF-16 or binary)"),
        ("y,x\r1,2\r", HEADER, "line 1 has a carriage return"),
        ("y,x\n1,2,3\n", HEADER, "line 2 has 3 cells, the header has 2"),
        ("y,x\n1,red\n", HEADER, "line 2, column 2 (x): 'red' is not a number"),
        ("y,x\n1,red\n", HEADER, "set enable_categorical=true"),
        ("y,x\nred,1\n", CATEGORIES, "line 2, column 1 (y): 'red' is not a number"),
        ("y,x\n,1\n", HEADER, "line 2, column 1 (y): a label or weight is missing"),
        ("y,x,w\n1,2,\n", Layout(weight="w"), "column 3 (w): a label or weight is missing"),
        ("y,x,q\n1,2,\n", Layout(group="q"), "column 3 (q): the group is missing"),
        ("y,x,q\n1,2,a b\n", Layout(group="q"), "column 3 (q): 'a b' is not a whole number"),
        ("y,x,q\n1,2,1.0\n", Layout(group="q"), "column 3 (q): '1.0' is not a whole number"),
        ("y,x,q\n1,2,9223372036854775808\n", Layout(group="q"), "is too large for a 64-bit"),
    ],
)
def test_file_is_refused(tmp_path: Path, content: str | bytes, layout: Layout, words: str) -> None:
    assert words in refusal(tmp_path, content, layout)


def test_refusal_shortens_many_and_long_names(tmp_path: Path) -> None:
    names = [f"{number:04}" + "n" * 200 + "x" for number in range(1000)]
    content = ",".join(names) + "\n" + ",".join(["1"] * 1000) + "\n"
    message = refusal(tmp_path, content, Layout(target="t" * 500))
    assert "1000 in all" in message


# Categories


def test_text_column_is_a_category_column(tmp_path: Path) -> None:
    batch = one(tmp_path, "y,color,x\n1,red,2\n0,blue,3\n1,,4\n0,red,\n", CATEGORIES)
    assert list(batch.categories) == [0]
    assert texts(batch, 0) == ["red", "blue", None, "red"]
    assert np.nan_to_num(batch.features[:, 1], nan=-1).tolist() == [2, 3, 4, -1]


@pytest.mark.parametrize("missing", ["", '""', "nan", "NaN", "NAN"])
def test_missing_category_is_nan(tmp_path: Path, missing: str) -> None:
    batch = one(tmp_path, f"y,color,x\n1,red,1\n1,{missing},1\n", CATEGORIES)
    assert texts(batch, 0) == ["red", None]


def test_numbers_in_a_text_column_are_text_as_written(tmp_path: Path) -> None:
    batch = one(tmp_path, "y,zip\n1,07\n1,7.0\n1,A7\n1, 7\n", CATEGORIES)
    assert texts(batch, 0) == ["07", "7.0", "A7", " 7"]


def test_blanks_around_numbers_make_no_text(tmp_path: Path) -> None:
    batch = one(tmp_path, "y,x\n1, 7\n1,8 \n", CATEGORIES)
    assert not batch.categories
    assert batch.features.tolist() == [[7], [8]]


def test_text_column_stays_one_in_every_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    batches = read(write(tmp_path, "y,x\n1,red\n1,7\n1,8\n1,\n1,\n1,\n1,\n"), CATEGORIES)
    assert len(batches) > 2
    assert all(list(batch.categories) == [0] for batch in batches)
    values = [text for batch in batches for text in texts(batch, 0)]
    assert values == ["red", "7", "8", None, None, None, None]


def test_text_after_a_block_of_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    message = refusal(tmp_path, "y,x\n1,1\n1,7\n1,8\n1,red\n", CATEGORIES)
    assert "line 5, column 2 (x): 'red' is not a number; the column began with numbers" in message
    assert "feature_types" in message


def test_feature_types_forbid_a_category(tmp_path: Path) -> None:
    layout = Layout(header=True, categorical=True, feature_types=("q",))
    message = refusal(tmp_path, "y,x\n1,red\n", layout)
    assert "feature_types has q for this column; use c for a category" in message


def test_feature_types_follow_the_chosen_features(tmp_path: Path) -> None:
    layout = Layout(target="y", features=("color", "x"), feature_types=("c", "q"))
    batch = one(tmp_path, "y,x,color\n1,2,red\n", layout)
    assert texts(batch, 0) == ["red"]


def test_codes_by_feature_types_keep_their_numbers(tmp_path: Path) -> None:
    layout = Layout(header=True, categorical=True, feature_types=("c",))
    batch = one(tmp_path, "y,x\n1,5\n1,2\n", layout)
    assert (batch.features.tolist(), dict(batch.categories)) == ([[5], [2]], {})


def test_text_after_codes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    layout = Layout(header=True, categorical=True, feature_types=("c",))
    message = refusal(tmp_path, "y,x\n1,1\n1,7\n1,8\n1,red\n", layout)
    assert "'red' is not a number; the column began with numbers" in message


@pytest.mark.parametrize(
    "content", ['y,x\n1,"a\nb"\n', 'y,x\n1,a\n1,"b\n', 'y,x\n1,"b\n2,c"\n', 'y,x\n1,"a\r\nb"\n']
)
def test_line_end_in_a_category_is_refused(tmp_path: Path, content: str) -> None:
    assert "opens a quote that does not close on it" in refusal(tmp_path, content, CATEGORIES)


def test_category_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    content = "y,x\n1,ab\n1,\xff\n".encode("latin-1")
    assert "line 3: byte 3 is not UTF-8" in refusal(tmp_path, content, CATEGORIES)


@pytest.mark.parametrize("cell", ['"a, b"', '"say ""so"""', '5" pipe', "é", "a\\b"])
def test_category_is_read_as_written(tmp_path: Path, cell: str) -> None:
    expected = {'"a, b"': "a, b", '"say ""so"""': 'say "so"'}.get(cell, cell)
    assert texts(one(tmp_path, f"y,x\n1,{cell}\n", CATEGORIES), 0) == [expected]


def written(rows: list[tuple[float, str | None]]) -> Iterator[str]:
    yield "y,color,x"
    for number, text in rows:
        yield f"{number!r},{'' if text is None else chr(34) + text + chr(34)},{number!r}"


WORDS = st.text(st.characters(codec="utf-8", exclude_characters='"\n\r\0'), min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.none() | WORDS.filter(lambda text: text.strip() not in MISSING),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_categories_survive_a_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str | None]]
) -> None:
    content = "\n".join(written([(0.0, "text"), *rows])) + "\n"
    batch = one(tmp_path_factory.mktemp("csv"), content, CATEGORIES)
    assert texts(batch, 0) == ["text", *(text for _, text in rows)]
    assert batch.label.tolist() == [0.0, *(number for number, _ in rows)]
