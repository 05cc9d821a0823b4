"""Both readers of CSV, on generated bodies and files; what they refuse, and how they say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.data import csv

DELIMITERS = st.sampled_from(csv.DELIMITERS)
LINE_ENDS = st.sampled_from(["\n", "\r\n"])
SPELLINGS = st.one_of(
    st.floats(width=32).map(repr),
    st.floats().map(repr),
    st.floats(width=32).map(lambda number: f"{number:g}"),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", "nan", "NaN", "-nan", "inf", "-Infinity", "+1", "1.", ".5", "1E+05", "007"]
    ),
    st.sampled_from(
        ["1e400", "1e-400", "1e39", "-0", '"1"', '""', "0x10", "1_0", "1f", "NA", "null"]
    ),
    st.sampled_from(["x", "-", "1e", "True", "1 2", "é", "\u0661", "1\x0b"]),
)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def matrices(
    draw: st.DrawFn, values: st.SearchStrategy[float], width: int = 1
) -> list[list[float]]:
    columns = draw(st.integers(width, 6))
    return draw(
        st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=1, max_size=6)
    )


@contextmanager
def small_bodies_up_to(size: int) -> Iterator[None]:
    before, csv.SMALL_BODY_BYTES = csv.SMALL_BODY_BYTES, size
    try:
        yield
    finally:
        csv.SMALL_BODY_BYTES = before


def read(body: bytes) -> list[list[float]]:
    """Read a body, expecting as many columns as its first line has commas, and one."""
    columns = body.strip(b"\r\n").partition(b"\n")[0].count(b",") + 1
    return csv.read_body(body, columns).tolist()


def outcome(body: bytes, columns: int, size: int) -> list[list[str]] | str:
    with small_bodies_up_to(size):
        try:
            return [[repr(cell) for cell in row] for row in csv.read_body(body, columns).tolist()]
        except ValueError:
            return "refused"


def assert_readers_agree(body: bytes, columns: Iterable[int] = range(1, 5)) -> None:
    for count in columns:
        assert outcome(body, count, size=1 << 20) == outcome(body, count, size=-1)


@given(matrices(SPELLINGS), DELIMITERS, LINE_ENDS)  # type: ignore[arg-type]
@example([["1", "1\x0b"], ["1", "2"]], ",", "\n")
def test_readers_agree_on_every_spelling(
    matrix: list[list[str]], delimiter: str, line_end: str
) -> None:
    body = line_end.join(delimiter.join(row) for row in matrix).encode()
    assert_readers_agree(body, {len(matrix[0]), len(matrix[0]) + 1})


@given(st.text('01.,;\t |eE+-naif"_\r\nxé', max_size=30))
@example("1\n\n2")
@example("1,2\r\r\n3,4")
@example("1,2\n\n3,4")
@example("1,2\r3,4")
@example(" ")
def test_readers_agree_on_every_text(text: str) -> None:
    assert_readers_agree(text.encode())


@given(st.binary(max_size=20))
def test_readers_agree_on_every_byte_string(body: bytes) -> None:
    assert_readers_agree(body)


@pytest.mark.parametrize("size", [-1, 1 << 20], ids=["pyarrow", "python"])
@pytest.mark.parametrize("spelling", [lambda x: repr(float(x)), lambda x: f"{x:.9g}"])
@given(matrix=matrices(FINITE), delimiter=DELIMITERS, line_end=LINE_ENDS)
def test_float32_survives_csv(
    spelling: object, size: int, matrix: list[list[float]], delimiter: str, line_end: str
) -> None:
    assert callable(spelling)
    text = line_end.join(delimiter.join(map(spelling, row)) for row in matrix)
    with small_bodies_up_to(size):
        values = csv.read_body(text.encode(), len(matrix[0]))
    np.testing.assert_array_equal(values, np.array(matrix, np.float32))


@given(matrix=matrices(FINITE, width=2), data=st.data())
def test_broken_cell_of_a_body_is_named(matrix: list[list[float]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(matrix) - 1))
    column = data.draw(st.integers(0, len(matrix[0]) - 1))
    cells = [[repr(cell) for cell in cells] for cells in matrix]
    cells[row][column] = "female"
    body = "\n".join(",".join(line) for line in cells).encode()
    with pytest.raises(
        csv.CsvError, match=f"^line {row + 1}, column {column + 1}: 'female' is not"
    ):
        read(body)


@given(matrix=matrices(FINITE, width=2), data=st.data())
def test_broken_cell_of_a_file_is_named(
    tmp_path_factory: pytest.TempPathFactory, matrix: list[list[float]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(matrix) - 1))
    column = data.draw(st.integers(0, len(matrix[0]) - 1))
    cells = [[repr(cell) for cell in cells] for cells in matrix]
    cells[row][column] = "female"
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_text("\n".join(",".join(line) for line in cells))
    with pytest.raises(UserError, match=f"line {row + 1}, column {column + 1}: 'female' is not"):
        list(csv.read_file(path))


def test_blank_line_before_a_broken_cell_is_not_blamed() -> None:
    # In a single column an empty line is a missing value.
    with pytest.raises(csv.CsvError, match="line 3, column 1: 'x' is not a number"):
        read(b"1\n\nx")


@pytest.mark.parametrize("body", [b"", b"\n", b" ", b"\xef\xbb\xbf", b"\r\n\r\n"])
def test_body_without_a_row_is_refused(body: bytes) -> None:
    with pytest.raises(csv.CsvError, match="the body holds no row"):
        read(body)


@pytest.mark.parametrize("size", [-1, 1 << 20], ids=["pyarrow", "python"])
def test_other_number_of_columns_is_refused(size: int) -> None:
    with small_bodies_up_to(size), pytest.raises(csv.ColumnCountError):
        csv.read_body(b"1,2", 3)


@pytest.mark.parametrize("body", [b"1,2\n", b"1,2\r\n", b"\n1,2", b"\xef\xbb\xbf1,2", b"1, 2"])
def test_row_is_read_from(body: bytes) -> None:
    assert read(body) == [[1, 2]]


def test_empty_cells_are_missing() -> None:
    assert np.isnan(read(b",\n1,")).tolist() == [[True, True], [False, True]]


def test_ragged_row_of_a_body_is_named() -> None:
    with pytest.raises(csv.CsvError, match="line 2 has 1 cells, the first row has 2"):
        read(b"1,2\n3")


def test_byte_that_is_not_utf_8_is_named() -> None:
    with pytest.raises(csv.CsvError, match="line 1: byte 3 is not UTF-8"):
        read(b"1,\xff")


def test_large_body_is_read_whole() -> None:
    body = b"1.5,2\n" * 20_000
    assert csv.read_body(body, 2).shape == (20_000, 2)


def test_row_longer_than_a_block_is_read() -> None:
    cell = b"1." + b"5" * (csv.BLOCK_BYTES // 1000)
    assert csv.read_body(b",".join([cell] * 1100), 1100).shape == (1, 1100)


# Files


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, weights: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        list(csv.read_file(path, weights))
    return str(caught.value)


def test_first_column_is_the_label(tmp_path: Path) -> None:
    (batch,) = csv.read_file(write(tmp_path, "1,2,3\n4,5,6\n"))
    assert (batch.label.tolist(), batch.features.tolist()) == ([1, 4], [[2, 3], [5, 6]])


def test_second_column_is_the_weight_when_asked(tmp_path: Path) -> None:
    (batch,) = csv.read_file(write(tmp_path, "1,2,3\n4,5,6\n"), weights=True)
    assert batch.weight is not None
    assert (batch.weight.tolist(), batch.features.tolist()) == ([2, 5], [[3], [6]])


def test_empty_lines_of_a_file_are_no_rows(tmp_path: Path) -> None:
    (batch,) = csv.read_file(write(tmp_path, "\n1,2\r\n\r\n3,4\n\n"))
    assert batch.label.tolist() == [1, 3]


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (batch,) = csv.read_file(write(tmp_path, "\ufeff1,2\n"))
    assert batch.label.tolist() == [1]


def test_file_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    rows = csv.BLOCK_BYTES // 5
    path = write(tmp_path, "".join(f"{row % 10},{row % 7}\n" for row in range(rows * 2)))
    assert sum(map(len, csv.read_file(path))) == rows * 2


def test_fault_beyond_the_first_block_is_named(tmp_path: Path) -> None:
    rows = csv.BLOCK_BYTES // 4 + 1000
    message = refusal(write(tmp_path, "1,2\n" * rows + "1,x\n"))
    assert f"line {rows + 1}, column 2: 'x' is not a number" in message


@pytest.mark.parametrize("header", ["y,x", '"y","x"', "label,"])
def test_header_row_is_refused_by_name(tmp_path: Path, header: str) -> None:
    assert "line 1 looks like a header" in refusal(write(tmp_path, f"{header}\n1,2\n"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,2\n3\n", "line 2 has 1 cells, the first row has 2"),
        ("1,2\n3,4,5\n", "line 2 has 3 cells, the first row has 2"),
        ("1,2\n,4\n", "line 2, column 1: a label or weight is missing"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is too large for a 32-bit number"),
        ("1,2\n3,1e39\n", "line 2, column 2: '1e39' is too large for a 32-bit number"),
        ("1,2\n3,1_0\n", "line 2, column 2: '1_0' is not a number"),
        ("1,2\n\n3,x\n", "line 3, column 2: 'x' is not a number"),
        ("1,x\n", "line 1, column 2: 'x' is not a number"),
        ("1\n2\n", "line 1 is '1': no delimiter"),
        ("1,2\n3,\xff\n".encode("latin-1"), "line 2: byte 3 is not UTF-8"),
        ("\xff,2\n".encode("latin-1"), "line 1: byte 1 is not UTF-8"),
        ("1,2\n".encode("utf-16-le"), "is not text (UTF-16 or binary)"),
    ],
)
def test_file_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in refusal(write(tmp_path, content))


def test_refusal_names_the_file(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "1,x\n")).startswith(f"{tmp_path / 'data.csv'} line 1")


def test_label_alone_is_refused(tmp_path: Path) -> None:
    assert "has 2 columns, expected the label, the weight and at least one feature" in refusal(
        write(tmp_path, "1,2\n"), weights=True
    )


def test_missing_weight_is_refused(tmp_path: Path) -> None:
    assert "line 1, column 2: a label or weight is missing" in refusal(
        write(tmp_path, "1,,3\n"), weights=True
    )


@given(st.lists(st.sampled_from(["1,2", ""]), min_size=1, max_size=9).filter(any), LINE_ENDS)
def test_line_of_a_row_counts_the_empty_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], line_end: str
) -> None:
    path = write(tmp_path_factory.mktemp("csv"), line_end.join(lines))
    numbers = [number for number, line in enumerate(lines, start=1) if line]
    assert [csv.line_of(path, row) for row in range(len(numbers))] == numbers


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("1,2", ","),
        ("1;2", ";"),
        ("1\t2", "\t"),
        ("1|2", "|"),
        ("1 2", " "),
        ("1, 2", ","),
        ("1", None),
    ],
)
def test_delimiter_is_found(line: str, delimiter: str | None) -> None:
    assert csv.delimiter_of(line) == delimiter


@given(matrices(FINITE))
def test_good_rows_have_no_fault(matrix: list[list[float]]) -> None:
    text = "\n".join(",".join(map(repr, row)) for row in matrix)
    columns = len(matrix[0])
    assert csv.fault(BytesIO(text.encode()), ",", columns, required=1, finite=True) is None
