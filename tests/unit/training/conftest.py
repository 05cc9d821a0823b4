"""What the tests of several hosts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster_job import Job, Jobs


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Jobs]:
    """Makes a job of so many hosts; its processes end with the test."""
    jobs: list[Job] = []

    def make(count: int) -> Job:
        jobs.append(Job(tmp_path, count))
        return jobs[-1]

    yield make
    for made in jobs:
        made.end()
