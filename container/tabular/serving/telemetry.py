"""``/metrics``: counters that all workers share, in Prometheus' text format.

Each process has its own slot in memory that is mapped before the fork, so processes need no lock.
When a process ends, its slot keeps the counts, and the next process continues to count in the slot.
So no counter ever decreases. Why not prometheus-client: docs/architecture.md, Dependencies.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import tempfile
import threading
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import numpy as np

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds of the histogram's buckets in seconds, from a single row to gunicorn's timeout.
BOUNDS = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
# The cells of a slot, eight bytes each: requests by status code, the histogram's buckets, the rows,
# the sum of seconds, the process id, the unknown texts of each column and of all further columns.
STATUSES = 600
ROWS = STATUSES + len(BOUNDS) + 1
SECONDS = ROWS + 1
PID = SECONDS + 1
UNKNOWN = PID + 1
# A series of the metric for each column would be too many for a model of 10,000 text columns.
MOST_COLUMNS = 100
CELLS = UNKNOWN + MOST_COLUMNS + 1
# Slots beyond two for each worker (itself and its successor): for workers that SIGTTIN adds, and
# for other child processes.
SPARE_SLOTS = 32


class Telemetry:
    """Counts the invocations of a server and its workers.

    Create it before the workers are forked: each worker takes a slot at the fork.

    Parameters
    ----------
    workers : int
        Worker processes that run at the same time.
    started : float
        When the server started, in seconds since 1970.
    """

    def __init__(self, workers: int, started: float) -> None:
        self._started = started
        self._columns: dict[str, int] = {}
        self._slots = 1 + 2 * workers + SPARE_SLOTS
        self._memory = memoryview(mmap.mmap(-1, self._slots * CELLS * 8))
        # An empty file. A process locks the byte at the number of its slot: the kernel releases
        # the lock when the process ends, for whatever reason.
        self._claims = tempfile.TemporaryFile()  # noqa: SIM115 open until the server ends
        self._parent = os.getpid()
        self._take(0)
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def observe(self, status: int, rows: int, seconds: float) -> None:
        """Count one invocation; thread-safe.

        Parameters
        ----------
        status : int
            The response's HTTP status.
        rows : int
            Scored rows, 0 in an error.
        seconds : float
            The time that the application took.
        """
        with self._lock:
            counts = self._counts
            counts[status if 100 <= status < STATUSES else 500] += 1
            counts[STATUSES + bisect_left(BOUNDS, seconds)] += 1
            counts[ROWS] += rows
            self._sums[SECONDS] += seconds

    def name_columns(self, columns: Iterable[str]) -> None:
        """Count the unknown texts of each of these columns. Call it before the workers are forked.

        The unknown texts of all other columns, and of those after ``MOST_COLUMNS``, are one sum.
        """
        first = itertools.islice(dict.fromkeys(columns), MOST_COLUMNS)
        self._columns = {column: UNKNOWN + place for place, column in enumerate(first)}

    def count_unknown_text(self, column: str) -> None:
        """Count a text in a request that no training row has; thread-safe."""
        with self._lock:
            self._counts[self._columns.get(column, UNKNOWN + MOST_COLUMNS)] += 1

    def text(self, model: Mapping[str, str]) -> bytes:
        """Return all counts in Prometheus' text format 0.0.4.

        Parameters
        ----------
        model : Mapping[str, str]
            Labels of ``tabular_model_info``, such as the algorithm.
        """
        return "".join(f"{line}\n" for line in self._lines(model)).encode()

    def _lines(self, model: Mapping[str, str]) -> Iterator[str]:
        cells = np.frombuffer(self._memory, np.int64).reshape(self._slots, CELLS)
        totals = cells.sum(axis=0).tolist()
        seconds = float(cells.view(np.float64)[:, SECONDS].sum())
        codes = {
            code: count for code, count in enumerate(totals[:STATUSES]) if count or code == 200
        }
        yield from _family("tabular_requests_total", "counter", "Invocations, by HTTP status code.")
        for code, count in codes.items():
            yield _sample("tabular_requests_total", count, code=str(code))
        yield from _family(
            "tabular_errors_total", "counter", "Invocations that failed, by class of status code."
        )
        for first in (4, 5):
            count = sum(count for code, count in codes.items() if code // 100 == first)
            yield _sample("tabular_errors_total", count, **{"class": f"{first}xx"})
        yield from _family("tabular_rows_total", "counter", "Rows scored.")
        yield _sample("tabular_rows_total", totals[ROWS])
        name = "tabular_unknown_texts_total"
        yield from _family(name, "counter", "Texts that no training row has, by column.")
        for column, place in self._columns.items():
            yield _sample(name, totals[place], column=column)
        if rest := totals[UNKNOWN + MOST_COLUMNS]:
            yield _sample(name, rest)

        name = "tabular_request_duration_seconds"
        yield from _family(name, "histogram", "Time that an invocation took in the server.")
        reached = list(itertools.accumulate(totals[STATUSES:ROWS]))
        for bound, count in zip((*map(repr, BOUNDS), "+Inf"), reached, strict=True):
            yield _sample(f"{name}_bucket", count, le=bound)
        yield _sample(f"{name}_sum", seconds)
        yield _sample(f"{name}_count", reached[-1])

        yield from _family("tabular_model_info", "gauge", "The model that is served; always 1.")
        yield _sample("tabular_model_info", 1, **model)
        alive = {pid for pid in cells[1:, PID].tolist() if pid and _is_alive(pid)}
        yield from _family("tabular_workers", "gauge", "Worker processes that are alive.")
        yield _sample("tabular_workers", len(alive))
        resident = _resident_bytes({self._parent, *alive})
        if resident:
            name = "tabular_resident_memory_bytes"
            yield from _family(
                name, "gauge", "Memory of the server and its workers; what they share counts once."
            )
            yield _sample(name, resident)
        name = "process_start_time_seconds"
        yield from _family(name, "gauge", "When the server started, in seconds since 1970.")
        yield _sample(name, self._started)

    def _forked(self) -> None:
        for slot in range(1, self._slots):
            with suppress(OSError):  # another process has this slot
                fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                return self._take(slot)
        # Without a free slot, this process counts in private memory that /metrics does not show:
        # two processes in one slot would lose counts of both.
        self._memory = memoryview(bytearray(self._memory))
        return self._take(0)

    def _take(self, slot: int) -> None:
        size = CELLS * 8
        cells = self._memory[slot * size : (slot + 1) * size]
        # A new lock in each process: a thread of the parent may have held the old one at the fork.
        self._lock = threading.Lock()
        self._counts, self._sums = cells.cast("q"), cells.cast("d")
        self._counts[PID] = os.getpid()


def _family(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _sample(name: str, value: float, **labels: str) -> str:
    if not labels:
        return f"{name} {value}"
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}"


def _escaped(text: str) -> str:
    # A lone surrogate, from a file name that is not UTF-8, can't be encoded.
    plain = text.encode(errors="replace").decode()
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _resident_bytes(pids: Iterable[int]) -> int:
    """Return the sum of the proportional set sizes, or 0 on a system other than Linux."""
    total = 0
    for pid in pids:
        with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as sizes:
            total += sum(int(line.split()[1]) for line in sizes if line.startswith(b"Pss:"))
    return total * 1024
