"""CSV in requests, generated: both readers agree, and faults are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.data.batch import ColumnCountError, ColumnsError
from tabular.data.columns import Columns
from tabular.data.csv import bodies
from tabular.data.csv.text import DELIMITERS as DELIMITER_LIST

DELIMITERS = st.sampled_from(DELIMITER_LIST)
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
    before, bodies.SMALL_BODY_BYTES = bodies.SMALL_BODY_BYTES, size
    try:
        yield
    finally:
        bodies.SMALL_BODY_BYTES = before


def read(body: bytes) -> list[list[float]]:
    """Read a body, expecting as many columns as its first line has commas, and one."""
    columns = body.strip(b"\r\n").partition(b"\n")[0].count(b",") + 1
    return bodies.read_body(body, Columns(columns)).tolist()


def outcome(body: bytes, columns: int, size: int) -> list[list[str]] | str:
    with small_bodies_up_to(size):
        try:
            return [
                [repr(cell) for cell in row]
                for row in bodies.read_body(body, Columns(columns)).tolist()
            ]
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
        values = bodies.read_body(text.encode(), Columns(len(matrix[0])))
    np.testing.assert_array_equal(values, np.array(matrix, np.float32))


@given(matrix=matrices(FINITE, width=2), data=st.data())
def test_broken_cell_of_a_body_is_named(matrix: list[list[float]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(matrix) - 1))
    column = data.draw(st.integers(0, len(matrix[0]) - 1))
    cells = [[repr(cell) for cell in cells] for cells in matrix]
    cells[row][column] = "female"
    body = "\n".join(",".join(line) for line in cells).encode()
    with pytest.raises(
        bodies.CsvError, match=f"^line {row + 1}, column {column + 1}: 'female' is not"
    ):
        read(body)


def test_blank_line_before_a_broken_cell_is_not_blamed() -> None:
    # In a single column an empty line is a missing value.
    with pytest.raises(bodies.CsvError, match="line 3, column 1: 'x' is not a number"):
        read(b"1\n\nx")


@pytest.mark.parametrize("body", [b"", b"\n", b" ", b"\xef\xbb\xbf", b"\r\n\r\n"])
def test_body_without_a_row_is_refused(body: bytes) -> None:
    with pytest.raises(bodies.CsvError, match="the body holds no row"):
        read(body)


@pytest.mark.parametrize("size", [-1, 1 << 20], ids=["pyarrow", "python"])
def test_other_number_of_columns_is_refused(size: int) -> None:
    with small_bodies_up_to(size), pytest.raises(ColumnCountError):
        bodies.read_body(b"1,2", Columns(3))


@pytest.mark.parametrize("body", [b"1,2\n", b"1,2\r\n", b"\n1,2", b"\xef\xbb\xbf1,2", b"1, 2"])
def test_row_is_read_from(body: bytes) -> None:
    assert read(body) == [[1, 2]]


def test_empty_cells_are_missing() -> None:
    assert np.isnan(read(b",\n1,")).tolist() == [[True, True], [False, True]]


def test_ragged_row_of_a_body_is_named() -> None:
    with pytest.raises(bodies.CsvError, match="line 2 has 1 cells, the first row has 2"):
        read(b"1,2\n3")


def test_byte_that_is_not_utf_8_is_named() -> None:
    with pytest.raises(bodies.CsvError, match="line 1: byte 3 is not UTF-8"):
        read(b"1,\xff")


def test_large_body_is_read_whole() -> None:
    body = b"1.5,2\n" * 20_000
    assert bodies.read_body(body, Columns(2)).shape == (20_000, 2)


def test_row_longer_than_a_block_is_read() -> None:
    cell = b"1." + b"5" * (bodies.BLOCK_BYTES // 1000)
    assert bodies.read_body(b",".join([cell] * 1100), Columns(1100)).shape == (1, 1100)


CODES = Columns(3, categories={1: ("red", "light, blue", "7")})


@given(
    st.lists(
        st.tuples(SPELLINGS, st.sampled_from(["red", '"light, blue"', "7", "", "é", '"', "nan"])),
        min_size=1,
    ),
    LINE_ENDS,
)
def test_readers_agree_on_categories(rows: list[tuple[str, str]], line_end: str) -> None:
    body = line_end.join(f"{number},{text},1" for number, text in rows).encode()
    found = []
    for size in (1 << 20, -1):
        with small_bodies_up_to(size):
            try:
                found.append(str(bodies.read_body(body, CODES).tolist()))
            except ValueError as error:
                found.append(str(error))
    assert found[0] == found[1]


def with_categories(body: str) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in bodies.read_body(body.encode(), CODES)]


def test_text_of_a_category_column_becomes_its_code() -> None:
    rows = with_categories('1,red,2\n3,"light, blue",4\r\n5,7,6\n')
    assert rows == [["1.0", "0.0", "2.0"], ["3.0", "1.0", "4.0"], ["5.0", "2.0", "6.0"]]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "green", " red", "8"])
def test_category_that_the_model_does_not_know_is_missing(cell: str) -> None:
    assert with_categories(f"1,{cell},2") == [["1.0", "nan", "2.0"]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("1,red,2\n3,red,x", "line 2, column 3: 'x' is not a number"),
        ("1,red,2\n3,red", "line 2 has 2 cells, the first row has 3"),
        ('1,red,2\n3,"red,4', "line 2 opens a quote that does not close"),
        ("1,red,1_0", "line 1, column 3: '1_0' is not a number"),
    ],
)
def test_fault_of_a_body_with_categories_is_named(body: str, words: str) -> None:
    with pytest.raises(bodies.CsvError, match=words):
        with_categories(body)


def test_byte_that_is_not_utf_8_is_named_with_categories() -> None:
    with pytest.raises(bodies.CsvError, match="line 1: byte 3 is not UTF-8"):
        bodies.read_body(b"1,\xff,2", CODES)


def test_other_number_of_columns_is_refused_with_categories() -> None:
    with pytest.raises(ColumnCountError):
        bodies.read_body(b"1,red", CODES)


@given(matrices(SPELLINGS))  # type: ignore[arg-type]
def test_categories_elsewhere_leave_numbers_alone(matrix: list[list[str]]) -> None:
    plain = "\n".join(",".join(row) for row in matrix)
    text = "\n".join(",".join([*row, "red"]) for row in matrix)
    columns = len(matrix[0])
    with_text = Columns(columns + 1, categories={columns: ("red",)})
    try:
        expected = bodies.read_body(plain.encode(), Columns(columns)) if columns > 1 else None
    except ValueError:
        with pytest.raises(ValueError, match="line"):
            bodies.read_body(text.encode(), with_text)
        return
    if expected is not None:
        values = bodies.read_body(
            text.encode(), Columns(columns + 1, categories={columns: ("red",)})
        )
        np.testing.assert_array_equal(values[:, :-1], expected)


NAMED = Columns(3, names=("age", "city", "pay"), categories={1: ("Bonn", "Ulm")})


@pytest.mark.parametrize("size", [-1, 1 << 20], ids=["pyarrow", "python"])
@pytest.mark.parametrize(
    "header",
    ["age,city,pay", '"age", "city" ,pay', "age;city;pay\r", "\ufeffage,city,pay"],
)
def test_header_of_the_names_is_no_row(header: str, size: int) -> None:
    with small_bodies_up_to(size):
        rows = bodies.read_body(f"{header}\n30,Ulm,5\n31,Bonn,6\n".encode(), NAMED)
    assert rows.tolist() == [[30, 1, 5], [31, 0, 6]]


@pytest.mark.parametrize("size", [-1, 1 << 20], ids=["pyarrow", "python"])
def test_header_in_another_order_gives_the_order(size: int) -> None:
    with small_bodies_up_to(size):
        rows = bodies.read_body(b"pay,age,city\n5,30,Ulm", NAMED)
        numbers = bodies.read_body(b"b,a\n1,2", Columns(2, names=("a", "b")))
    assert rows.tolist() == [[30, 1, 5]]
    assert rows.flags.c_contiguous
    assert numbers.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("age,city", "the header line lacks 'pay'; expected age, city, pay"),
        ("target,age,city,pay", "has 'target', which the model does not know"),
        ("age,city,wage", "lacks 'pay' and has 'wage', which the model does not know"),
        ("age,city,pay,pay", "has 'pay' more than once"),
    ],
)
def test_header_with_other_names_is_refused(header: str, words: str) -> None:
    with pytest.raises(ColumnsError, match=words):
        bodies.read_body(f"{header}\n1,Ulm,2".encode(), NAMED)


def test_row_of_texts_that_shares_a_text_with_the_names_is_a_row() -> None:
    columns = Columns(2, names=("red", "blue"), categories={0: ("red",), 1: ("green",)})
    assert bodies.read_body(b"red,green", columns).tolist() == [[0, 0]]


def test_numbers_for_names_are_a_row_unless_said_otherwise() -> None:
    columns = Columns(2, names=("0", "1"))
    assert bodies.read_body(b"0,1\n2,3", columns).tolist() == [[0, 1], [2, 3]]
    assert bodies.read_body(b"1,0\n2,3", columns, header=True).tolist() == [[3, 2]]


def test_stated_header_is_left_out_without_names() -> None:
    assert bodies.read_body(b"1,2\n3,4", Columns(2), header=True).tolist() == [[3, 4]]


def test_stated_header_without_the_names_is_refused() -> None:
    with pytest.raises(ColumnsError, match="the header line lacks 'age', 'city', 'pay' and has"):
        bodies.read_body(b"1,2,3\n30,Ulm,5", NAMED, header=True)


def test_header_alone_is_no_row() -> None:
    with pytest.raises(bodies.CsvError, match="the body holds no row"):
        bodies.read_body(b"age,city,pay\n", NAMED)


def test_line_is_counted_with_the_header() -> None:
    with pytest.raises(bodies.CsvError, match=r"^line 3, column 3 \(pay\): 'x' is not"):
        bodies.read_body(b"age,city,pay\n30,Ulm,5\n30,Ulm,x", NAMED)


@pytest.mark.parametrize("columns", [Columns(2), Columns(2, names=("x", "y"))])
def test_header_of_unknown_names_is_named(columns: Columns) -> None:
    with pytest.raises(bodies.CsvError, match=r"line 1, column 1.*'a' is not .* like a header"):
        bodies.read_body(b"a,b\n1,2", columns)


def test_single_line_of_text_is_not_called_a_header() -> None:
    with pytest.raises(bodies.CsvError, match=r"missing value$"):
        bodies.read_body(b"a,b", Columns(2))
