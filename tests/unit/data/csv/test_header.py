"""The header line of a request."""

from __future__ import annotations

import pytest

from tabular.data.columns import Columns
from tabular.data.csv import header_of


@pytest.mark.parametrize(
    ("body", "found"),
    [(b"a b\n1", True), (b'"a b"\n1', True), (b"\r\n\xef\xbb\xbfa b", True), (b"1\na b", False)],
)
def test_header_of_a_body_is_found(body: bytes, found: bool) -> None:
    assert bool(header_of(body, Columns(1, names=("a b",)))) is found
