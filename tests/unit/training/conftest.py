"""What the tests of several hosts share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tabular.data.batch import Floats
from tabular.training import compile_step

from .cluster_job import Job, Jobs


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the bytecode of the hosts' modules, one for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "bytecode"


@pytest.fixture
def job(tmp_path: Path, bytecode: Path) -> Iterator[Jobs]:
    """Makes a job of so many hosts; its processes end with the test."""
    jobs: list[Job] = []

    def make(count: int) -> Job:
        jobs.append(Job(tmp_path, bytecode, count))
        return jobs[-1]

    yield make
    for made in jobs:
        made.end()


@pytest.fixture(autouse=True)
def steps_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile here, where jobs are about other things: a process takes up to 2 s for each.

    ``test_compiling`` and the tests in containers have the process.
    """

    def run_step(step: str, arguments: Mapping[str, Any], rows: Floats, termination: object) -> Any:
        module, _, function = step.partition(":")
        return getattr(import_module(module), function)(rows=rows, **arguments)

    monkeypatch.setattr(compile_step, "run_step", run_step)
