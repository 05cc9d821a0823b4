"""Measure the time of each stage of a job, for one line in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timing:
    """The seconds of each stage, in the order in which the stages begin."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}
        # For each open stage: the seconds of the stages inside it.
        self._inner: list[float] = []

    def add(self, stage: str, seconds: float) -> None:
        """Add measured seconds to a stage."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage, without the stages inside the block."""
        started = time.monotonic()
        self._inner.append(0.0)
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            self.add(name, seconds - self._inner.pop())
            if self._inner:
                self._inner[-1] += seconds

    def __str__(self) -> str:
        total = time.monotonic() - self._started
        stages = dict(self._seconds)
        stages["other"] = max(0.0, total - sum(stages.values()))
        return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
