"""Predict large requests on all processors, and small requests on the thread of the caller."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Floats

# Passing fewer rows to another thread takes longer than predicting them.
LEAST_PART_ROWS = 512
Score = TypeVar("Score", bound=np.generic)


class Parallel:
    """Splits large requests into parts, and predicts each part on its own thread.

    The engines release Python's global lock while they compute. Each process creates its threads at
    its first large request, because threads do not survive a fork.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._lock = Lock()

    def __call__(
        self, predict: Callable[[Floats], npt.NDArray[Score]], rows: Floats
    ) -> npt.NDArray[Score]:
        """Predict all rows, in their order."""
        if len(rows) < 2 * LEAST_PART_ROWS or self._threads < 2:
            return predict(rows)
        parts = min(self._threads, len(rows) // LEAST_PART_ROWS)
        return np.concatenate(list(self._pool().map(predict, np.array_split(rows, parts))))

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            process = os.getpid()
            if process not in self._pools:
                self._pools[process] = ThreadPoolExecutor(self._threads, "rows")
            return self._pools[process]


ONE_THREAD = Parallel(1)
