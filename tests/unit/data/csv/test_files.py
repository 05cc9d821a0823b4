"""CSV files without a header: what is read, and the messages of what is refused."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.columns import Columns
from tabular.data.csv import files as csv
from tabular.data.csv import parsing
from tabular.data.csv.bodies import read_body
from tabular.data.csv.text import DELIMITERS, cells_of
from tabular.data.layout import Layout
from tabular.data.source import Source

NUMBERS = Layout()
WEIGHTED = Layout(weights=True)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
MATRICES = st.integers(2, 6).flatmap(
    lambda columns: st.lists(
        st.lists(FINITE, min_size=columns, max_size=columns), min_size=1, max_size=6
    )
)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, layout: Layout = NUMBERS, threads: int = 2) -> list[Batch]:
    return list(csv.read_file(Source(path), layout, threads))


def refusal(path: Path, layout: Layout = NUMBERS) -> str:
    with pytest.raises(UserError) as caught:
        read(path, layout)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    return message


def small_blocks(monkeypatch: pytest.MonkeyPatch, size: int = 16) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", size)
    monkeypatch.setattr(csv, "BLOCK_BYTES_PER_COLUMN", 1)


def test_first_column_is_the_label(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "1,2,3\n4,5,6\n"))
    assert (batch.label.tolist(), batch.features.tolist()) == ([1, 4], [[2, 3], [5, 6]])


def test_second_column_is_the_weight_when_asked(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "1,2,3\n4,5,6\n"), WEIGHTED)
    assert batch.weight is not None
    assert (batch.weight.tolist(), batch.features.tolist()) == ([2, 5], [[3], [6]])


def test_arrays_are_float32_and_contiguous(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "1,2,3,4\n4,5,6,7\n"), WEIGHTED)
    assert batch.weight is not None
    for array in (batch.features, batch.label, batch.weight):
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable


@given(MATRICES, st.sampled_from(DELIMITERS), st.sampled_from(["\n", "\r\n"]), st.integers(1, 3))
def test_float32_survives_a_file(
    tmp_path_factory: pytest.TempPathFactory,
    matrix: list[list[float]],
    delimiter: str,
    line_end: str,
    threads: int,
) -> None:
    text = line_end.join(delimiter.join(map(repr, row)) for row in matrix)
    path = write(tmp_path_factory.mktemp("csv"), text)
    batches = read(path, threads=threads)
    values = [np.column_stack([batch.label, batch.features]) for batch in batches]
    np.testing.assert_array_equal(np.concatenate(values), np.array(matrix, np.float32))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
@example("1.00000005960464477539062500000000000000001")
def test_cell_means_the_same_in_training_and_serving(
    tmp_path_factory: pytest.TempPathFactory, number: object
) -> None:
    (batch,) = read(write(tmp_path_factory.mktemp("csv"), f"1,{number}\n"))
    np.testing.assert_array_equal(batch.features, read_body(f"{number}".encode(), Columns(1)))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_blocks_come_in_the_file_s_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    small_blocks(monkeypatch)
    batches = read(write(tmp_path, "".join(f"{row},1\n" for row in range(500))), threads=threads)
    assert len(batches) > 50
    assert np.concatenate([batch.label for batch in batches]).tolist() == list(range(500))


def test_wide_rows_come_in_larger_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    monkeypatch.setattr(csv, "BLOCK_BYTES_PER_COLUMN", 40)
    lines = [f"{row},1,2" if row % 3 else "" for row in range(100)]
    batches = read(write(tmp_path, "\n".join(lines) + "\n"))
    found = {batch.where(row): batch.label[row] for batch in batches for row in range(len(batch))}
    assert len(batches) < 10
    assert found == {f"line {row + 1}": row for row in range(100) if row % 3}


def test_missing_cells_are_nan(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, '1,,nan,NaN,NAN,-nan,"",2\n'))
    assert np.isnan(batch.features).tolist() == [[True] * 6 + [False]]


def test_quoted_numbers_are_numbers(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, '"1","2"\n'))
    assert (batch.label.item(), batch.features.item()) == (1, 2)


def test_empty_lines_of_a_file_are_no_rows(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "\n1,2\r\n\r\n3,4\n\n"))
    assert batch.label.tolist() == [1, 3]


@pytest.mark.parametrize("content", ["", "\n", "\r\n\n\r\n"])
def test_file_without_a_row_has_no_batch(tmp_path: Path, content: str) -> None:
    assert read(write(tmp_path, content)) == []


def test_blocks_of_empty_lines_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    batches = read(write(tmp_path, "\n" * 40 + "1,2\n" + "\n" * 40 + "3,4\n"))
    assert [batch.label.item() for batch in batches] == [1, 3]
    assert [batch.where(0) for batch in batches] == ["line 41", "line 82"]


@given(
    st.lists(st.sampled_from(["1,2", ""]), min_size=1, max_size=9).filter(any),
    st.sampled_from(["\n", "\r\n"]),
)
def test_line_of_a_row_counts_the_empty_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], line_end: str
) -> None:
    batches = read(write(tmp_path_factory.mktemp("csv"), line_end.join(lines)))
    found = [batch.where(row) for batch in batches for row in range(len(batch))]
    numbers = [number for number, line in enumerate(lines, start=1) if line]
    assert found == [f"line {number}" for number in numbers]


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "\ufeff1,2\n"))
    assert batch.label.tolist() == [1]


def test_file_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    rows = csv.BLOCK_BYTES // 5
    path = write(tmp_path, "".join(f"{row % 10},{row % 7}\n" for row in range(rows * 2)))
    assert sum(map(len, read(path))) == rows * 2


def test_row_longer_than_a_block_is_read(tmp_path: Path) -> None:
    cell = "1." + "5" * (csv.BLOCK_BYTES // 1000)
    (batch,) = read(write(tmp_path, ",".join([cell] * 1100)))
    assert batch.features.shape == (1, 1099)


@pytest.mark.parametrize("compress", [gzip.compress, pyarrow.Codec("zstd").compress])
def test_compressed_file_is_read(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    (batch,) = read(write(tmp_path, bytes(compress(b"1,2\n3,4\n"))))
    assert batch.label.tolist() == [1, 3]


def test_cut_off_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d,2\n" % row for row in range(1000)))
    assert "can't be read" in refusal(write(tmp_path, whole[:-20]))


def test_broken_gzip_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"".join(b"%d,2\n" % row for row in range(1000))))
    whole[200:210] = b"\xff" * 10
    assert "can't be read" in refusal(write(tmp_path, bytes(whole)))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "can't be read (No such file" in refusal(tmp_path / "gone.csv")


def test_fifo_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "train_0"
    os.mkfifo(path)
    content = b"".join(b"%d,2\n" % row for row in range(50_000)) + b"7,x\n"
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    batches = csv.read_file(Source(path, lambda: path.open("rb", buffering=0)), NUMBERS, 2)
    with pytest.raises(UserError, match=r"train_0 line 50001, column 2: 'x' is not a number"):
        list(batches)


def test_reading_can_stop_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    batches = csv.read_file(Source(write(tmp_path, "1,2\n" * 100 + "x\n")), NUMBERS, 2)
    assert next(batches).label[0] == 1
    batches.close()  # type: ignore[attr-defined]


@given(matrix=MATRICES, data=st.data())
def test_broken_cell_of_a_file_is_named(
    tmp_path_factory: pytest.TempPathFactory, matrix: list[list[float]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(matrix) - 1))
    column = data.draw(st.integers(0, len(matrix[0]) - 1))
    cells = [[repr(cell) for cell in cells] for cells in matrix]
    cells[row][column] = "female"
    path = write(tmp_path_factory.mktemp("csv"), "\n".join(",".join(line) for line in cells))
    assert f"line {row + 1}, column {column + 1}: 'female' is not" in refusal(path)


def test_fault_beyond_the_first_block_is_named(tmp_path: Path) -> None:
    rows = csv.BLOCK_BYTES // 4 + 1000
    message = refusal(write(tmp_path, "1,2\n" * rows + "1,x\n"))
    assert f"line {rows + 1}, column 2: 'x' is not a number" in message


@pytest.mark.parametrize("header", ["y,x", '"y","x"', "label,"])
def test_header_row_is_refused_by_name(tmp_path: Path, header: str) -> None:
    message = refusal(write(tmp_path, f"{header}\n1,2\n"))
    assert "line 1 looks like a header" in message
    assert "header=present" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,2\n3\n", "line 2 has 1 cells, the first row has 2"),
        ("1,2\n3,4,5\n", "line 2 has 3 cells, the first row has 2"),
        ("1,2\n \n", "line 2 has 1 cells, the first row has 2"),
        ("1,2\n,4\n", "line 2, column 1: a label or weight is missing"),
        ("1,2\n-nan,4\n", "line 2, column 1: a label or weight is missing"),
        ("1,2\ninf,4\n", "line 2, column 1: 'inf' is too large for a 32-bit number"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is too large for a 32-bit number"),
        ("1,2\n3,1e39\n", "line 2, column 2: '1e39' is too large for a 32-bit number"),
        ("1,2\n3,1_0\n", "line 2, column 2: '1_0' is not a number"),
        ("1,2\n3,1\x0b\n", "line 2, column 2: '1\\x0b' is not a number"),
        ("1,2\n\n3,x\n", "line 3, column 2: 'x' is not a number"),
        ("1;2,5\n2;3,5\n", "column 2: '2,5' is not a number"),
        ("1,x\n", "line 1, column 2: 'x' is not a number"),
        ("x,1\n", "encode text (labels too) as numbers"),
        ("1,NO\n", "line 1, column 2: 'NO' is not a number"),
        ("1\n2\n", "line 1 is '1': no delimiter"),
        ("1,2\n3,\xff\n".encode("latin-1"), "line 2: byte 3 is not UTF-8"),
        ("\xff,2\n".encode("latin-1"), "line 1: byte 1 is not UTF-8"),
        ("1,2\n".encode("utf-16-le"), "is not text (UTF-16 or binary)"),
        ("\n\n1,x\n", "line 3, column 2: 'x' is not a number"),
        ('1,"2\n3",4\n', "line 1 opens a quote that does not close on it"),
        ('1,2\n3,"4\n5,6\n', "line 2 opens a quote that does not close on it"),
        ('1,2\n3,"4\n5,6"\n', "line 2 opens a quote that does not close on it"),
        ("1,2\r3,4\r", "line 1 has a carriage return (\\r) inside"),
        ("1,2\n3,4\r5,6\n", "line 2 has a carriage return (\\r) inside"),
        ("1,2\n3,4\r\r\n5,6\n", "line 2 has a carriage return (\\r) inside"),
    ],
)
def test_file_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in refusal(write(tmp_path, content))


def test_refusal_without_a_known_fault_names_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "fault", lambda *_, **__: None)
    message = refusal(write(tmp_path, "1,2\n3,x\n"))
    assert "data.csv is not CSV, in line 1 or after: In CSV column #1: Row #2:" in message


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("a,b", ["a", "b"]),
        ("", [""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"say ""so""",c', ['say "so"', "c"]),
        ('5" pipe,c', ['5" pipe', "c"]),
        ('"x"y,c', ["xy", "c"]),
    ],
)
def test_line_is_parted_as_pyarrow_does(tmp_path: Path, line: str, cells: list[str]) -> None:
    assert cells_of(line, ",") == cells
    if len(cells) == 2:
        layout = Layout(feature_types=("c", "c", "q"))
        (batch,) = read(write(tmp_path, f"1,{line},2\n1,t,t,2\n"), layout)
        assert [batch.categories[column][0] for column in (0, 1)] == cells


def test_refusal_names_the_file(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "1,x\n")).startswith(f"{tmp_path / 'data.csv'} line 1")


def test_refusal_shortens_what_the_customer_wrote(tmp_path: Path) -> None:
    assert "'" + "x" * 40 + "…'" in refusal(write(tmp_path, f"1,{'x' * 5000}\n"))


def test_label_alone_is_refused(tmp_path: Path) -> None:
    assert "has 2 columns, expected the label, the weight and at least one feature" in refusal(
        write(tmp_path, "1,2\n"), WEIGHTED
    )


def test_missing_weight_is_refused(tmp_path: Path) -> None:
    assert "line 1, column 2: a label or weight is missing" in refusal(
        write(tmp_path, "1,,3\n"), WEIGHTED
    )


# Categories by feature_types


def test_numbers_of_a_category_column_stay_codes(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, "1,2,7\n1,3,\n"), Layout(feature_types=("q", "c")))
    assert not batch.categories
    np.testing.assert_array_equal(batch.features, np.array([[2, 7], [3, np.nan]], np.float32))


@pytest.mark.parametrize("cell", ["-1", "1.5"])
def test_number_that_is_no_code_is_refused(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, f"1,2,7\n1,3,{cell}\n")
    message = refusal(path, Layout(feature_types=("q", "c")))
    assert f"line 2, column 3: '{cell}' is no code of a category" in message


def test_text_of_a_category_column_is_read_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, "1,2,red\n1,3,blue\n0,4,\n0,4,red\n")
    (batch,) = read(path, Layout(feature_types=("q", "c")))
    assert list(batch.categories) == [1]
    texts = [*batch.categories[1], None]
    codes = np.nan_to_num(batch.features[:, 1], nan=len(texts) - 1).astype(int)
    assert [texts[code] for code in codes] == ["red", "blue", None, "red"]


def test_text_without_a_header_is_refused_though_categories_are_enabled(tmp_path: Path) -> None:
    assert "line 1, column 2: 'red' is not a number" in refusal(
        write(tmp_path, "1,red\n"), Layout(categorical=True)
    )


def test_other_number_of_feature_types_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "1,2,3\n"), Layout(feature_types=("q",)))
    assert message.startswith("Hyperparameter feature_types has 1 entries")
