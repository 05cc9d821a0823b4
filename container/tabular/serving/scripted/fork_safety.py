"""What a script leaves in a process that a forked worker can't share with others."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SELF = Path("/proc/self")
DESCRIPTORS = SELF / "fd"
# pyarrow's, which its allocator starts again after a fork.
RESTARTED_THREADS = {"jemalloc_bg_thd"}
# Two processes that read from one of these take each other's bytes.
CONNECTIONS = ("socket:", "pipe:")
GPU = "/dev/nvidia"
# Devices and kernel files keep no position that processes would share.
NO_FILES = ("/dev/", "/proc/", "/sys/", "/memfd:")


@dataclass(frozen=True)
class ProcessState:
    """Threads and open files of this process.

    Attributes
    ----------
    files : frozenset of (int, str)
        The descriptors that a forked worker can't share, and what they are.
    """

    threads: int
    files: frozenset[tuple[int, str]]


def observe() -> ProcessState:
    """Count the threads and list the open files of this process."""
    return ProcessState(_threads(), frozenset(_files()))


def unshareable(before: ProcessState) -> list[str]:
    """Name what has come since a state and does not survive a fork, or can't be shared by it.

    Examples
    --------
    >>> unshareable(observe())
    []
    """
    found = []
    after = observe()
    if after.files - before.files:
        gc.collect()  # closes what nobody holds any more
        after = observe()
    new = sorted({kind for _, kind in after.files - before.files})
    if after.threads > before.threads:
        found.append("threads")
    return [*found, *new]


def _threads() -> int:
    """Count the threads, also those that Python does not know."""
    try:
        names = [(task / "comm").read_text() for task in (SELF / "task").iterdir()]
    except OSError:  # no Linux
        return threading.active_count()
    return sum(name.strip() not in RESTARTED_THREADS for name in names)


def _files() -> Iterator[tuple[int, str]]:
    with suppress(OSError):  # no Linux
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):  # that of the listing itself is closed again
                kind = _kind(os.readlink(DESCRIPTORS / name), SELF / "fdinfo" / name)
                if kind:
                    yield int(name), kind


def _kind(target: str, info: Path) -> str:
    if target.startswith(CONNECTIONS):
        return "connections"
    if target.startswith(GPU):
        return "a GPU"
    if not target.startswith("/") or target.startswith(NO_FILES):
        return ""
    flags = next(line for line in info.read_text().splitlines() if line.startswith("flags:"))
    # A log that all processes append to may be shared; a position to read at may not.
    return "" if int(flags.split()[1], 8) & os.O_ACCMODE == os.O_WRONLY else "open files"
