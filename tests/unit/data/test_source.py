"""Opening files and streams, compressed or not."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pyarrow
import pytest

from tabular.contract.errors import UserError
from tabular.data.source import Source

TEXT = b"1,2\n3,4\n" * 1000


def zstandard(content: bytes) -> bytes:
    return pyarrow.Codec("zstd").compress(content, asbytes=True)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT, mtime=0),
        zstandard(TEXT),
        gzip.compress(TEXT[:800], mtime=0) + gzip.compress(TEXT[800:], mtime=0),
        zstandard(TEXT[:800]) + zstandard(TEXT[800:]),
    ],
    ids=["plain", "gzip", "zstd", "gzip members", "zstd frames"],
)
def test_content_is_read_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(content)
    with Source(path).open() as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize(
    "content", [b"", b"1", TEXT, gzip.compress(TEXT, mtime=0), zstandard(TEXT)]
)
def test_stream_that_can_not_go_back_is_read_whole(tmp_path: Path, content: bytes) -> None:
    fifo = tmp_path / "train_0"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(content,))
    writer.start()
    with Source(fifo, lambda: fifo.open("rb")).open() as stream:
        read = stream.read()
    writer.join()
    assert read == (TEXT if len(content) > 1 else content)


def test_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone can't be read \(No such file"):
        Source(tmp_path / "gone").open()


def test_only_a_path_can_be_opened_again(tmp_path: Path) -> None:
    assert Source(tmp_path).is_file
    assert not Source(tmp_path, lambda: (tmp_path / "x").open("rb")).is_file
