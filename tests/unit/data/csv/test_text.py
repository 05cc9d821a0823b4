"""The syntax of CSV: delimiters and quotes."""

from __future__ import annotations

from csv import Error

import pytest

from tabular.data.csv.text import cells_of, delimiter_of


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
    assert delimiter_of(line) == delimiter


@pytest.mark.parametrize("line", ['"a', 'a,"b', 'a","b'])
def test_quote_that_does_not_close_is_found(line: str) -> None:
    with pytest.raises(Error, match="a quote does not close"):
        cells_of(line, ",")
