"""A channel whose files change while they are read is refused, whatever the format."""

from __future__ import annotations

import gzip
import io
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.machine import has_stable_inodes
from tabular.data.batch import Batch
from tabular.data.channel import read_channel
from tabular.data.layout import Layout
from tabular.data.listing import files_of
from tabular.data.memory_budget import MemoryBudget
from tabular.data.recordio.framing import MAGIC
from tabular.data.store import Store

from .test_source import zstandard

ROWS = 120_000


def csv() -> bytes:
    return b"1,0.25,0.5\n" * ROWS


def libsvm() -> bytes:
    return b"1 1:0.25 2:0.5\n" * ROWS


def parquet() -> bytes:
    target = io.BytesIO()
    columns = {name: np.ones(ROWS, np.float32) for name in ("y", "a", "b")}
    pyarrow.parquet.write_table(pyarrow.table(columns), target, row_group_size=1 << 15)
    return target.getvalue()


def recordio() -> bytes:
    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def entry(*values: float) -> bytes:
        tensor = field(2, field(1, struct.pack(f"<{len(values)}f", *values)))
        return field(1, b"values") + field(2, tensor)

    record = field(1, entry(0.25, 0.5)) + field(2, entry(1))
    padding = bytes(-len(record) % 4)
    return (struct.pack("<II", MAGIC, len(record)) + record + padding) * ROWS


FORMATS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "csv": ("text/csv", csv),
    "libsvm": ("text/libsvm", libsvm),
    "parquet": ("application/x-parquet", parquet),
    "recordio": ("application/x-recordio-protobuf", recordio),
    "gzip": ("text/csv", lambda: gzip.compress(csv(), 1)),
    "zstandard": ("text/csv", lambda: zstandard(csv())),
}


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,2,3\n")


def replace(path: Path) -> None:
    """As rsync does: another file of the same size and time takes the name."""
    before = path.stat()
    other = path.with_name(".part")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def overwrite(path: Path) -> None:
    """Write other bytes in place; the size stays."""
    with path.open("r+b") as file:
        file.write(path.read_bytes()[:1])
    os.utime(path, ns=(0, time.time_ns()))


def add(path: Path) -> None:
    path.with_name("later.csv").write_bytes(b"1,2,3\n")


CHANGES = (cut_in_half, append, replace, overwrite, add, Path.unlink)


def read(folder: Path, content_type: str, change: Callable[[Path], object]) -> None:
    """Read a channel, and change its file when the first rows have come."""
    path = folder / "train" / "part-1"
    changed = []

    def check(_: Batch, __: Path) -> None:
        if not changed:
            changed.append(change(path))

    channel = Channel("train", folder / "train", content_type)
    layout = Layout(target="y") if "parquet" in content_type else Layout()
    read_channel(channel, layout, Store(MemoryBudget(1 << 30, folder)), 1, check)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("change", CHANGES)
def test_change_during_reading_is_refused(
    tmp_path: Path, form: str, change: Callable[[Path], object]
) -> None:
    if change is replace and not has_stable_inodes(tmp_path):
        pytest.skip("a file system without stable inode numbers")
    content_type, content = FORMATS[form]
    (tmp_path / "train").mkdir()
    (tmp_path / "train/part-1").write_bytes(content())
    with pytest.raises(UserError) as caught:
        read(tmp_path, content_type, change)
    assert ("later.csv" if change is add else "part-1") in str(caught.value)
    assert "while the channel 'train' was read" in str(caught.value)
    assert "train on a copy" in str(caught.value)


def test_cut_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/part-1").write_bytes(csv())
    with pytest.raises(UserError, match=r"changed from 1,320,000 to 660,000 bytes"):
        read(tmp_path, "text/csv", cut_in_half)


def test_file_that_a_symbolic_link_names_is_compared(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "elsewhere").write_bytes(csv())
    (tmp_path / "train/part-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="part-1 changed from"):
        read(tmp_path, "text/csv", lambda _: cut_in_half(tmp_path / "elsewhere"))


def test_hidden_and_empty_files_may_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/part-1").write_bytes(csv())

    def change(path: Path) -> None:
        path.with_name(".rsync.tmp").write_bytes(b"x")
        path.with_name("_SUCCESS").touch()
        path.with_name("folder").touch()

    read(tmp_path, "text/csv", change)


def test_files_are_listed_before_reading_begins(tmp_path: Path) -> None:
    """What the hosts have compared is what is read."""
    from tabular.data.listing import files_of

    (tmp_path / "train").mkdir()
    path = tmp_path / "train/part-1"
    path.write_bytes(csv())
    channel = Channel("train", tmp_path / "train", "text/csv")
    before = files_of(channel)
    append(path)
    store = Store(MemoryBudget(1 << 30, tmp_path))
    with pytest.raises(UserError, match="changed from"):
        read_channel(channel, Layout(), store, 1, lambda *_: None, before=before)


@pytest.mark.parametrize(
    ("kind", "stable"), [("ext4", True), ("fuse.mount-s3", False), ("fakeowner", False)]
)
def test_inodes_of_fuse_are_not_compared(tmp_path: Path, kind: str, stable: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / {kind} rw 0 0\n")
    assert has_stable_inodes(tmp_path, mounts) is stable


def test_path_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    os.mkfifo(tmp_path / "b.csv")
    with pytest.raises(UserError, match=r"b\.csv is a FIFO, expected a data file"):
        files_of(Channel("train", tmp_path, "text/csv"))
