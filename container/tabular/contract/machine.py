"""The processors, GPUs and memory that this container may use.

The cgroup's limits apply where they are lower than the host's figures. (Several inference
components share one host; SageMaker limits each component by its cgroup.)
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
NO_MEMORY = ("MemoryError", "bad_alloc", "bad allocation", "llocate memory", "nable to allocate")
NO_THREAD = ("Resource temporarily unavailable", "can't start new thread")
CGROUP = Path("/sys/fs/cgroup")
# The memory of a small laptop, for systems without cgroup and /proc (macOS).
UNKNOWN_MEMORY = 4 << 30
# File systems on disk, in memory and on the network (EFS, FSx) that keep inode numbers.
STABLE_INODES = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "nfs", "nfs4", "lustre")
)


@dataclass(frozen=True)
class Machine:
    """The processors, the GPUs and the bytes of memory that a training job may use."""

    cpus: int
    gpus: int
    memory: int


def read_machine() -> Machine:
    """Read the limits of the cgroup, and count the devices."""
    return Machine(available_cpus(), available_gpus(), memory_limit())


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Count the processors that this process may use, at least 1.

    This is the smaller of the scheduler's affinity and the cgroup's quota. The quota is rounded
    up: half a processor still needs one worker.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _cpu_quota(cgroup)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def available_gpus(devices: Path = Path("/dev")) -> int:
    """Count the NVIDIA devices of this container."""
    return sum(1 for device in devices.glob("nvidia[0-9]*") if device.name[6:].isdigit())


def memory_limit(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return how many bytes of memory this container may use.

    This is the smaller of the machine's memory and the cgroup's limit (version 1 or 2).
    """
    limits = []
    for file in (cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or "max"
            limits.append(int(file.read_text()))
    with suppress(OSError, StopIteration):
        lines = meminfo.read_text().splitlines()
        total = next(line for line in lines if line.startswith("MemTotal:"))
        limits.append(int(total.split()[1]) * 1024)
    return min(limits, default=UNKNOWN_MEMORY)


def memory_left(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return how many bytes of memory are still available to this container.

    This is the smaller of the machine's and the cgroup's available memory. Cached files count as
    available, because the kernel drops them first; mapped files, such as programs, do not.
    """
    left = [
        _cgroup_left(cgroup, "memory.max", "memory.current", "file_mapped"),
        _cgroup_left(
            cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "mapped_file"
        ),
    ]
    with suppress(OSError):
        available = _figures(meminfo).get("MemAvailable:")
        left.append(None if available is None else available * 1024)
    return min((size for size in left if size is not None), default=UNKNOWN_MEMORY)


def out_of_memory_message(error: BaseException) -> str | None:
    """Return a message for an error that means out of memory; None for any other error.

    Python, numpy and pyarrow raise MemoryError. XGBoost raises an error with C++'s ``bad_alloc``
    in its text. System calls fail with ENOMEM. joblib raises TerminatedWorkerError when the kernel
    kills its worker.
    """
    name = type(error).__name__
    if not (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or name == "TerminatedWorkerError"
        or (name == "XGBoostError" and "bad_alloc" in str(error))
    ):
        return None
    return f"out of memory: {memory_advice()}"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a library's error means out of memory, by its type or its text.

    C++ libraries raise their own error classes, with ``std::bad_alloc`` in the text.
    """
    return isinstance(error, MemoryError) or text_means_out_of_memory(str(error))


def text_means_out_of_memory(text: str) -> bool:
    """Return whether a message of a library or a process means out of memory."""
    return any(words in text for words in NO_MEMORY)


def memory_advice() -> str:
    """Return a sentence with the container's memory limit, and how to get more memory."""
    return (
        f"the container may use {memory_limit() / (1 << 30):.1f} GiB; use an instance type with "
        "more memory (docker run: --memory)"
    )


def out_of_threads_message(error: BaseException) -> str | None:
    """Return a message for an error that means no more threads or processes; None for any other.

    The texts are those of C libraries (pyarrow, OpenMP) and of Python's ``threading``.
    """
    try:
        text = str(error)
    except Exception:  # a library's error class whose __str__ raises
        return None
    return threads_advice() if any(words in text for words in NO_THREAD) else None


def require_threads(count: int) -> None:
    """Start threads and end them, to see whether the libraries could start theirs.

    A library in C++ ends the process where it can't start a thread.

    Raises
    ------
    RuntimeError
        The limit of processes is reached; see ``out_of_threads_message``.
    """
    end = threading.Event()
    threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    finally:
        end.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def threads_advice() -> str:
    """Return a message for a limit of processes that is too low, and how to raise the limit."""
    return (
        "the container can't start another thread or process; raise its limit of processes "
        "(docker run --pids-limit)"
    )


def pids_limit_reached(cgroup: Path = CGROUP) -> bool:
    """Return whether the cgroup's limit of processes has refused a thread or a process."""
    for file in (cgroup / "pids.events", cgroup / "pids" / "pids.events"):  # version 2, version 1
        with suppress(OSError):
            return bool(_figures(file).get("max"))
    return False


def resident_bytes(status: Path = Path("/proc/self/statm")) -> int:
    """Return the resident memory of this process in bytes; 0 on systems without ``/proc``."""
    with suppress(OSError, ValueError, IndexError):
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def trim_heap() -> None:
    """Return freed memory to the system (``malloc_trim``).

    glibc keeps freed memory: hundreds of MiB after the quantile sketch of many columns. Training
    needs that memory.
    """
    with suppress(OSError, AttributeError):  # a C library without malloc_trim
        ctypes.CDLL(None).malloc_trim(0)


def is_tmpfs(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Return whether a folder is on a file system in memory (``--tmpfs /tmp``)."""
    return _file_system(folder, mounts) in ("tmpfs", "ramfs")


def has_stable_inodes(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Return whether files in a folder keep their inode numbers.

    FUSE (FastFile mode, Docker Desktop) may give a file a new number after the kernel has dropped
    the file from its cache.
    """
    return _file_system(folder, mounts) in STABLE_INODES


def _file_system(folder: Path, mounts: Path) -> str | None:
    kinds: dict[str, str] = {}
    with suppress(OSError):
        for line in mounts.read_text().splitlines():
            _, point, kind, *_ = line.split()
            kinds[point] = kind  # the last mount at a path hides the earlier ones
    resolved = folder.resolve()
    nearest = next((str(path) for path in (resolved, *resolved.parents) if str(path) in kinds), "/")
    return kinds.get(nearest)


def _cgroup_left(folder: Path, limit: str, usage: str, mapped: str) -> int | None:
    try:
        free = int((folder / limit).read_text()) - int((folder / usage).read_text())
        figures = _figures(folder / "memory.stat")
    except (OSError, ValueError):  # absent, or "max"
        return None
    cached = figures.get("active_file", 0) + figures.get("inactive_file", 0)
    return free + max(0, cached - figures.get(mapped, 0))


def _figures(file: Path) -> dict[str, int]:
    """Parse lines with a name and a number."""
    words = (line.split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number, *_ in words}


def _cpu_quota(cgroup: Path) -> float | None:
    """Read the quota in processors: ``cpu.max`` of cgroup v2, or the CFS files of v1."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    # "max" in v2 and -1 in v1 mean no limit.
    return None if quota in {"max", "-1"} else int(quota) / int(period)
