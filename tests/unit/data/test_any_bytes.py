"""Every reader of request bodies, on arbitrary bytes: returns rows, or raises ValueError."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.data import csv, libsvm
from tabular.data.formats import FORMATS, format_of
from unit.data.valid_bodies import BODIES, COLUMNS

TOKENS = (
    *(b",", b"\n", b"\r", b'"', b"[", b"{", b"}", b"]", b":", b"#", b"-", b"_", b"\xe2\x82"),
    *(b"nan", b"9" * 30, b"1e400", b"Ulm", b'"features":', b'"age"', b"\xff\xff", b"\0\0\0\x80"),
)
PARTS = st.binary(max_size=8) | st.sampled_from(TOKENS)
EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 8), PARTS), max_size=4)


def mutated(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, part in edits:
        at = start % (len(body) + 1)
        body = body[:at] + part + body[at + length :]
    return body


def read(content_type: str, body: bytes, small: int) -> None:
    """Read a body for every model; the small and the large way of text."""
    reader = format_of(content_type).read_body
    with pytest.MonkeyPatch.context() as patch:
        for module in (csv.bodies, libsvm.bodies):
            patch.setattr(module, "SMALL_BODY_BYTES", small)
        for columns in COLUMNS:
            start = time.process_time()
            refusal = ""
            try:
                rows = reader(body, columns)
            except ValueError as error:
                refusal = str(error)
            assert "\n" not in refusal.encode().decode()
            if not refusal:
                assert rows.dtype == np.float32
                assert rows.shape[1:] == (columns.count,)
                assert len(rows)
                assert rows.flags.c_contiguous
            assert time.process_time() - start < 1


def test_every_format_has_bodies() -> None:
    assert {format_of(name).name for name in BODIES} == {form.name for form in FORMATS}


@pytest.mark.parametrize("small", [-1, 1 << 16])
@pytest.mark.parametrize("content_type", BODIES)
@given(body=st.binary(max_size=100))
def test_any_bytes_are_rows_or_refused(content_type: str, small: int, body: bytes) -> None:
    read(content_type, body, small)


@pytest.mark.parametrize("small", [-1, 1 << 16])
@pytest.mark.parametrize("content_type", BODIES)
@given(data=st.data(), edits=EDITS)
def test_any_change_of_a_body_is_rows_or_refused(
    content_type: str, small: int, data: st.DataObject, edits: list[tuple[int, int, bytes]]
) -> None:
    read(content_type, mutated(data.draw(st.sampled_from(BODIES[content_type])), edits), small)
