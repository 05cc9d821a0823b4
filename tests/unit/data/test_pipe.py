"""Pipe mode: FIFOs that exist or come late, and objects in RecordIO frames."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path

import pytest

from tabular.contract.errors import PlatformError, UserError
from tabular.data.pipe import MAGIC, open_pipe


def frame(content: bytes, flag: int = 0) -> bytes:
    padding = b"\0" * (-len(content) % 4)
    return struct.pack("<II", MAGIC, flag << 29 | len(content)) + content + padding


def through(folder: Path, content: bytes, wrapped: bool = False, late: float = 0) -> bytes:
    fifo = folder / "train_0"

    def write() -> None:
        time.sleep(late)
        os.mkfifo(fifo)
        time.sleep(late)
        with fifo.open("wb") as target:
            time.sleep(late)
            target.write(content)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with open_pipe(fifo, wrapped, wait_seconds=20) as stream:
        read = stream.read()
    writer.join()
    return read


def test_stream_is_read_whole(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    assert through(tmp_path, content) == content


def test_late_pipe_and_late_writer_are_waited_for(tmp_path: Path) -> None:
    assert through(tmp_path, b"1,2\n", late=0.3) == b"1,2\n"


def test_writer_without_a_byte_is_an_empty_stream(tmp_path: Path) -> None:
    assert through(tmp_path, b"") == b""


def test_objects_are_taken_out_of_their_frames(tmp_path: Path) -> None:
    framed = frame(b"1,2\n3,4\n") + frame(b"5,6") + frame(b"7,8\n")
    assert through(tmp_path, framed, wrapped=True) == b"1,2\n3,4\n5,6\n7,8\n"


def test_object_in_several_frames_is_joined(tmp_path: Path) -> None:
    framed = frame(b"ab", 1) + frame(b"cd", 2) + frame(b"ef\n", 3)
    magic = struct.pack("<I", MAGIC)
    assert through(tmp_path, framed, wrapped=True) == b"ab" + magic + b"cd" + magic + b"ef\n"


def test_stream_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train_0: object 1 has no RecordIO frame"):
        through(tmp_path, b"1,2\n3,4\n", wrapped=True)


def test_frame_that_breaks_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="object 2 breaks off after 4 of 6 bytes"):
        through(tmp_path, frame(b"1,2\n") + frame(b"3,4,5\n")[:-4], wrapped=True)


def test_pipe_that_never_comes_is_a_platform_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"train_0 brought nothing for 0 s \(no such FIFO\)"):
        open_pipe(tmp_path / "train_0", wait_seconds=0.2)


def test_writer_that_never_comes_is_a_platform_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train_0")
    with pytest.raises(PlatformError, match="no writer"):
        open_pipe(tmp_path / "train_0", wait_seconds=0.2)


def test_file_in_the_place_of_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train_0").write_text("1,2\n")
    with pytest.raises(UserError, match="train_0 is no FIFO"):
        open_pipe(tmp_path / "train_0", wait_seconds=0.2)
