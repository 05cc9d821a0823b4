"""Fixtures of the tests with several hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster_job import Job, Jobs


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the bytecode of the hosts' modules, one for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "bytecode"


@pytest.fixture
def job(tmp_path: Path, bytecode: Path) -> Iterator[Jobs]:
    """Make a job with a number of hosts; its processes end with the test."""
    jobs: list[Job] = []

    def make(count: int) -> Job:
        jobs.append(Job(tmp_path, bytecode, count))
        return jobs[-1]

    yield make
    for made in jobs:
        made.end()
