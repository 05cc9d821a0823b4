"""Find threads, files and connections of a script that forked workers can't share."""

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
# A thread of pyarrow's allocator, which the allocator restarts after a fork.
RESTARTED_THREADS = {"jemalloc_bg_thd"}
# Two processes that read from the same connection get each other's bytes.
CONNECTIONS = ("socket:", "pipe:")
GPU = "/dev/nvidia"
# Devices and files of the kernel have no position that processes would share.
NO_FILES = ("/dev/", "/proc/", "/sys/", "/memfd:")


@dataclass(frozen=True)
class ProcessState:
    """Threads and open files of this process.

    Attributes
    ----------
    files : frozenset of (int, str)
        Descriptors that forked workers can't share, and the kind of each.
    """

    threads: int
    files: frozenset[tuple[int, str]]


def observe() -> ProcessState:
    """Return the number of threads and the open files of this process."""
    return ProcessState(_threads(), frozenset(_files()))


def unshareable(before: ProcessState) -> list[str]:
    """Name the kinds of threads and files, new since a state, that forked workers can't share.

    Examples
    --------
    >>> unshareable(observe())
    []
    """
    found = []
    after = observe()
    if after.files - before.files:
        gc.collect()  # closes files that nothing refers to
        after = observe()
    new = sorted({kind for _, kind in after.files - before.files})
    if after.threads > before.threads:
        found.append("threads")
    return [*found, *new]


def _threads() -> int:
    """Count the threads, also those that libraries started outside Python."""
    try:
        names = [(task / "comm").read_text() for task in (SELF / "task").iterdir()]
    except OSError:  # not Linux
        return threading.active_count()
    return sum(name.strip() not in RESTARTED_THREADS for name in names)


def _files() -> Iterator[tuple[int, str]]:
    with suppress(OSError):  # not Linux
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):  # the descriptor of the listing itself is closed again
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
    # Processes may share a file that they only write, such as a log, but not a read position.
    return "" if int(flags.split()[1], 8) & os.O_ACCMODE == os.O_WRONLY else "open files"
