"""Threads, files and connections of a script that forked workers can't share."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from pathlib import Path

import numpy as np

from tabular.serving.scripted.fork_safety import observe, unshareable


def test_nothing_is_found_if_a_script_leaves_nothing(tmp_path: Path) -> None:
    before = observe()
    (tmp_path / "read").write_text("x")
    (tmp_path / "read").read_text()
    assert unshareable(before) == []


def test_connection_is_found() -> None:
    before = observe()
    ours, theirs = socket.socketpair()
    assert unshareable(before) == ["connections"]
    ours.close()
    theirs.close()


def test_pipe_of_another_process_is_found() -> None:
    before = observe()
    read, write = os.pipe()
    assert unshareable(before) == ["connections"]
    os.close(read)
    os.close(write)


def test_database_and_open_files_are_found(tmp_path: Path) -> None:
    before = observe()
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table t (x)")
    assert unshareable(before) == ["open files"]
    database.close()
    np.save(tmp_path / "rows.npy", np.zeros(10))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert unshareable(before) == ["open files"]
    del mapped
    assert unshareable(before) == []


def test_log_that_is_only_written_may_be_shared(tmp_path: Path) -> None:
    before = observe()
    with (tmp_path / "log").open("a"):
        assert unshareable(before) == []


def test_threads_are_found() -> None:
    before, go = observe(), threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert unshareable(before) == ["threads"]
    go.set()
    thread.join()
