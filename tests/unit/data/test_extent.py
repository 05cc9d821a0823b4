"""Estimates of memory hold for the densest bodies of each format."""

from __future__ import annotations

import contextlib
import io
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tabular.data.columns import Columns
from tabular.data.formats import format_of
from tabular.data.parquet import of_parquet
from tabular.data.parquet.footer import chunks_of
from tabular.data.parquet.pages import pages_of

from .valid_bodies import BODIES, COLUMNS

FOUR, ONE = Columns(4), Columns(1)
NAMED = Columns(2, names=("a", "b"))
TEXT = Columns(2, names=("a", "t"), categories={1: ("x" * 1000, "y")})
BYTES = 400_000


def filled(piece: bytes, between: bytes = b"", size: int = BYTES) -> bytes:
    return between.join([piece] * (size // (len(piece) + len(between))))


def parquet(columns: dict[str, object], **options: object) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), target, **options)
    return target.getvalue()


def constants(rows: int, kind: str = "<f4") -> bytes:
    return parquet({name: np.ones(rows, kind) for name in "abcd"})


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


EMPTY_SPARSE = bytes.fromhex("ced7230a")[::-1]
SPARSE = bytes.fromhex(
    "0a 1c 0a 06 76 61 6c 75 65 73 12 12 12 10 0a 08 00 00 80 3f 00 00 00 40 12 02 00 01 1a 00"
)
RECORD = EMPTY_SPARSE + len(SPARSE).to_bytes(4, "little") + SPARSE + bytes(-len(SPARSE) % 4)
DENSEST: dict[str, tuple[str, bytes, Columns]] = {
    "csv of empty cells": ("text/csv", filled(b",,,\n"), FOUR),
    "csv of digits": ("text/csv", filled(b"1,2,3,4\n"), FOUR),
    "csv of one column": ("text/csv", filled(b"1\n"), ONE),
    "csv of text": ("text/csv", filled(b"1,y\n"), TEXT),
    "libsvm of empty lines": ("text/libsvm", filled(b"\n"), FOUR),
    "libsvm": ("text/libsvm", filled(b"0 1:1\n"), FOUR),
    "libsvm of one line": ("text/libsvm", b"0 " + filled(b"1:1 "), FOUR),
    "libsvm of one long line": ("text/libsvm", b"0 " + filled(b"1:1 ", size=3_000_000), FOUR),
    "libsvm of one long line of blanks": (
        "text/libsvm",
        b"0 " + filled(b" ", size=3_000_000) + b"1:1",
        FOUR,
    ),
    "libsvm of one line of blanks": ("text/libsvm", b"0 " + filled(b" ") + b"1:1", FOUR),
    "small libsvm": ("text/libsvm", filled(b"0 1:1 2:1 3:1\n", size=60_000), FOUR),
    "json lists": ("application/json", b"[" + filled(b"[1,1,1,1]", b",") + b"]", FOUR),
    "json values": ("application/json", b"[" + filled(b"1", b",") + b"]", ONE),
    "json rows of one": ("application/json", b"[" + filled(b"[1]", b",") + b"]", ONE),
    "json empty lists": ("application/json", b"[" + filled(b"[]", b",") + b"]", FOUR),
    "json empty objects": ("application/json", b"[" + filled(b"{}", b",") + b"]", NAMED),
    "json objects": ("application/json", b"[" + filled(b'{"a":1,"b":2}', b",") + b"]", NAMED),
    "json texts": ("application/json", b"[" + filled(b'["ab","cd"]', b",") + b"]", NAMED),
    "json beyond ASCII": (
        "application/json",
        b'["' + "\U0001f600".encode() + filled(b"1") + b'"]',
        FOUR,
    ),
    "json nested": ("application/json", filled(b"[", size=100_000), FOUR),
    "json long number": ("application/json", b"[[1,1,1," + filled(b"9") + b"]]", FOUR),
    "json lines": ("application/jsonlines", filled(b"[1,1,1,1]\n"), FOUR),
    "json lines of one": ("application/jsonlines", filled(b"[1]\n"), ONE),
    "json lines that are empty": ("application/jsonlines", filled(b"\n"), FOUR),
    "json lines of objects": ("application/jsonlines", filled(b'{"a":1,"b":2}\n'), NAMED),
    "npy of bool": ("application/x-npy", npy(np.ones((BYTES, 1), np.bool_)), ONE),
    "npy": ("application/x-npy", npy(np.ones((BYTES // 32, 4))), FOUR),
    "recordio": ("application/x-recordio-protobuf", filled(RECORD), FOUR),
    "parquet of constants": ("application/x-parquet", constants(1_000_000), FOUR),
    "parquet of float64 in groups": (
        "application/x-parquet",
        parquet({name: np.arange(300_000) % 7 / 3 for name in "abcd"}, row_group_size=50_000),
        FOUR,
    ),
    "parquet of long texts": (
        "application/x-parquet",
        parquet({"a": np.ones(300_000), "t": ["x" * 1000] * 300_000}),
        TEXT,
    ),
    "parquet of texts without a dictionary": (
        "application/x-parquet",
        parquet(
            {"a": np.ones(30_000), "t": ["x" * 1000] * 30_000},
            use_dictionary=False,
            compression="zstd",
        ),
        TEXT,
    ),
}


def peak_of(action: Callable[[], object]) -> int:
    """Run an action, and tell what it takes at the most, in Python, NumPy and Arrow."""
    pool = pyarrow.default_memory_pool()
    pool.release_unused()
    arrow_before, arrow_peak = pool.bytes_allocated(), pool.max_memory()
    tracemalloc.start()
    try:
        action()
        python = tracemalloc.get_traced_memory()[1]
    finally:
        # A thread of Arrow that lets go of a buffer while tracing stops crashes CPython before
        # 3.12.9 and 3.13.2 (python/cpython issue 128679).
        time.sleep(0.02)
        tracemalloc.stop()
    grown = pool.max_memory()
    return python + (grown - arrow_before if grown > arrow_peak else 0)


@pytest.mark.parametrize("name", DENSEST)
def test_estimate_holds_for_the_densest_body(name: str) -> None:
    content_type, body, columns = DENSEST[name]
    form = format_of(content_type)
    extent = form.measure(body, columns)
    rows: list[int] = []

    def read() -> None:
        with contextlib.suppress(ValueError):
            rows.append(len(form.read_body(body, columns)))

    peak = peak_of(read)
    # What the readers import and keep is no part of a request: a second one shows that.
    peak = min(peak, peak_of(read))
    assert peak <= extent.peak + (2 << 20), (peak, extent)
    assert all(count <= extent.rows for count in rows), (rows, extent)


@pytest.mark.parametrize("content_type", BODIES)
def test_every_body_can_be_measured(content_type: str) -> None:
    form = format_of(content_type)
    for body in BODIES[content_type]:
        for columns in COLUMNS:
            extent = form.measure(body, columns)
            try:
                rows = form.read_body(body, columns)
            except ValueError:
                continue
            assert len(rows) <= extent.rows


def test_constants_of_parquet_count_by_what_they_become() -> None:
    body = constants(10_000_000)
    assert len(body) < 1 << 20
    extent = of_parquet(body, FOUR)
    assert extent.rows == 10_000_000
    assert extent.peak >= 160_000_000


def test_pages_beyond_the_footer_are_refused() -> None:
    """The footer says three values, as another file's of three rows; the pages hold a million."""
    body = constants(1_000_000)
    small = constants(3)
    length = int.from_bytes(small[-8:-4], "little")
    start = int.from_bytes(body[-8:-4], "little")
    forged = body[: -start - 8] + small[-length - 8 :]
    with pytest.raises(ValueError, match="broken Parquet"):
        format_of("application/x-parquet").read_body(forged, FOUR)


def test_texts_of_unknown_size_are_refused() -> None:
    column = pyarrow.table({"a": np.ones(9), "t": ["x" * 1000] * 9})
    target = io.BytesIO()
    pyarrow.parquet.write_table(
        column, target, use_dictionary=False, column_encoding={"t": "DELTA_BYTE_ARRAY"}
    )
    with pytest.raises(ValueError, match="DELTA_BYTE_ARRAY"):
        of_parquet(target.getvalue(), TEXT)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd", "gzip"])
def test_pages_are_those_that_were_written(version: str, compression: str) -> None:
    body = parquet(
        {"a": np.arange(100_000), "t": [f"text {i % 9}" for i in range(100_000)]},
        data_page_version=version,
        compression=compression,
    )
    group = pyarrow.parquet.read_metadata(io.BytesIO(body)).row_group(0)
    for number, chunk in enumerate(chunks_of(body)[0]):
        known = group.column(number)
        assert chunk.name == known.path_in_schema
        assert chunk.num_values == known.num_values
        assert chunk.total_compressed_size == known.total_compressed_size
        assert chunk.dictionary_page_offset == (known.dictionary_page_offset or 0)
        pages = list(pages_of(io.BytesIO(body), chunk, len(body)))
        assert sum(page.values for page in pages if not page.dictionary) == 100_000
        assert sum(page.unpacked for page in pages) <= group.column(number).total_uncompressed_size


def test_no_changed_byte_of_a_footer_ends_the_process() -> None:
    body = parquet({"a": np.arange(50.0), "t": ["x", "yy"] * 25})
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    columns = Columns(2)
    for place in range(start, len(body) - 8):
        for value in (0, 1, 0x15, 0xFF):
            changed = body[:place] + bytes([value]) + body[place + 1 :]
            with contextlib.suppress(ValueError):
                of_parquet(changed, columns)
