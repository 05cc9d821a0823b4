"""The table of formats, and content types with parameters."""

from __future__ import annotations

import pytest

from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.data.formats import BY_CONTENT_TYPE, FORMATS, format_of


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
