"""The table of formats, and content types with parameters."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from sagemaker.amazon.common import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from scipy.sparse import csr_matrix

from tabular.contract.errors import UserError
from tabular.data.batch import ColumnCountError
from tabular.data.columns import UNDECLARED, Columns
from tabular.data.formats import BY_CONTENT_TYPE, FORMATS, format_of, guess


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "csv",
        "TEXT/CSV",
        "text/csv; charset=utf-8",
        "text/csv;label_size=1",
        "text/csv; label_size=1; charset=utf-8",
        " text/csv ",
    ],
)
def test_spelling_of_csv_is_known(content_type: str) -> None:
    assert format_of(content_type).name == "csv"


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "", ";", "text/csv2"])
def test_other_type_is_refused_in_the_words_of_aws(content_type: str) -> None:
    with pytest.raises(UserError, match=f"^{content_type} is not an accepted ContentType: "):
        format_of(content_type)


@pytest.mark.parametrize("size", ["0", "2", "x", ""])
def test_other_label_size_is_refused_in_the_words_of_aws(size: str) -> None:
    with pytest.raises(UserError, match="Optional parameter label_size must be equal to 1"):
        format_of(f"text/csv;label_size={size}")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv; charset=UTF-8", b"1,2"),
        ("text/csv; charset=us-ascii", b"1,2"),
        ("text/csv; charset=utf-16", "1,2".encode("utf-16")),
        ('Application/JSON; charset="ISO-8859-1"', b'{"\xfc": 2, "a": 1}'),
        ("application/jsonlines; charset=windows-1252", b'{"\xfc": 2, "a": 1}'),
        ("text/csv; header=present", b"\xc3\xbc,a\n2,1"),
        ("text/csv; header=PRESENT; charset=latin1", b"\xfc,a\n2,1"),
        ("text/csv; header=absent", b"1,2"),
        ("application/x-recordio-protobuf; charset=x", None),
    ],
)
def test_parameters_of_a_content_type_are_heeded(content_type: str, body: bytes | None) -> None:
    form = format_of(content_type)
    if body is None:
        assert form in FORMATS
    else:
        rows = form.read_body(body, Columns(2, names=("a", "ü")))
        assert rows.tolist() == [[1, 2]]


@pytest.mark.parametrize("charset", ["shift-jis", "zlib", "punycode", "", "x" * 500, "\x00"])
def test_charset_that_is_not_supported_is_named(charset: str) -> None:
    form = format_of(f"text/csv; charset={charset}")
    with pytest.raises(ValueError, match=r"^charset '.* is not supported; send UTF-8"):
        form.read_body(b"1,2", Columns(2))


def test_byte_that_is_not_of_the_charset_is_named() -> None:
    with pytest.raises(ValueError, match=r"^byte 3 is not utf-16"):
        format_of("text/csv; charset=utf-16").read_body(b"\xff\xfe\x00", Columns(1))


def test_no_content_type_belongs_to_two_formats() -> None:
    assert len(BY_CONTENT_TYPE) == sum(len(row.content_types) for row in FORMATS)


LIBSVM = [
    b"1 1:2 3:4\n",
    b"\xef\xbb\xbf-1 0:.5 1:1e-3 7:nan\n",
    b"1:0.5 qid:3 1:2",
    b"1:2 3:4",
    b"qid:1 1:2\n",
    b"0\n1\n0 5:1\n",
    b"# 1,2\n\n1\t1:2 # three: four\r\n",
    b"1 2:\n",
    b"1 1:2 3:4 12",  # the end of what is looked at
    b"0 13:30 14:5\n",
]
NOT_LIBSVM = [
    b"y,cf:x,cf:z\n1,2,3\n",
    b"y cf:x\n1 2\n",
    b"y\tprice:area\n1\t2\n",
    b"a,0,12:00\nb,1,12:01\n",
    b"1,12:05\n",
    b"1\t12:05\n",
    b"1 12:30\n0 12:09\n",
    b"1 09:30\n",
    b"1 2:3 4\n",
    b"1 2:x\n",
    b"1 2,5:3\n",
    b"1\n2\n",
    b"1;2:3\n",
    b"",
]


@pytest.mark.parametrize("start", LIBSVM)
def test_index_and_number_pairs_are_guessed_libsvm(start: bytes) -> None:
    assert guess(start).name == "libsvm"
    assert guess(start, named=True).name == "csv"


@pytest.mark.parametrize("start", NOT_LIBSVM)
def test_other_text_with_a_colon_is_not_guessed_libsvm(start: bytes) -> None:
    assert guess(start).name == "csv"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/libsvm; base=1", b"1:1 2:2"), ("libsvm;BASE=0;charset=utf-16", "0:1 1:2")],
)
def test_base_of_libsvm_is_heeded(content_type: str, body: bytes | str) -> None:
    body = body.encode("utf-16") if isinstance(body, str) else body
    assert format_of(content_type).read_body(body, Columns(2)).tolist() == [[1, 2]]


@pytest.mark.parametrize("base", ["2", "-1", "x", "01"])
def test_other_base_of_libsvm_is_refused(base: str) -> None:
    with pytest.raises(UserError, match="base, the first index, must be 0 or 1"):
        format_of(f"text/libsvm; base={base}")


def npy(rows: list[list[float]]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows))
    return file.getvalue()


def parquet(rows: list[list[float]]) -> bytes:
    file = pyarrow.BufferOutputStream()
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = [f"f{number}" for number in range(len(columns))]
    pyarrow.parquet.write_table(pyarrow.table(columns, names), file)
    return bytes(file.getvalue())


def sparse_records(rows: list[list[float]]) -> bytes:
    file = io.BytesIO()
    write_spmatrix_to_sparse_tensor(file, csr_matrix(np.array(rows)))
    return file.getvalue()


def records(rows: list[list[float]]) -> bytes:
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, np.array(rows))
    return file.getvalue()


WRITERS: dict[str, Callable[[list[list[float]]], bytes]] = {
    "text/csv": lambda rows: "\n".join(",".join(map(str, row)) for row in rows).encode(),
    "application/json": lambda rows: json.dumps(rows).encode(),
    "application/jsonlines": lambda rows: "\n".join(map(str, rows)).encode(),
    "application/x-npy": npy,
    "application/x-parquet": parquet,
    "application/x-recordio-protobuf": records,
    "recordio-protobuf": sparse_records,
}


@pytest.mark.parametrize(("count", "base"), [(4, 0), (3, 1)])
@pytest.mark.parametrize("content_type", WRITERS)
def test_rows_from_index_0_and_from_index_1_are_read_alike(
    content_type: str, count: int, base: int
) -> None:
    columns = Columns(count, base, indices=UNDECLARED)
    form, write = format_of(content_type), WRITERS[content_type]
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    for body in (write(rows), write([[9.0, *row] for row in rows])):
        found = form.read_body(body, columns)
        assert found.shape == (2, count)
        assert found.flags.c_contiguous
        assert found[:, -3:].tolist() == rows
        assert form.measure(body, columns).peak > 0
    for wrong in ([row[1:] for row in rows], [[8.0, 9.0, *row] for row in rows]):
        with pytest.raises(ColumnCountError):
            form.read_body(write(wrong), columns)
    with pytest.raises(ColumnCountError):
        form.read_body(write([[9.0, *row] for row in rows]), Columns(3))
