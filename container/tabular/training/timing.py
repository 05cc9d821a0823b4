"""Where a job's time goes: one line in its log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timing:
    """Adds up the seconds of each stage, in the order of their first use."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}

    def add(self, stage: str, seconds: float) -> None:
        """Count time that was measured elsewhere."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the body."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - started)

    def __str__(self) -> str:
        total = time.monotonic() - self._started
        stages = dict(self._seconds)
        stages["other"] = max(0.0, total - sum(stages.values()))
        return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
