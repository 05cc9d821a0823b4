"""Fixtures of the tests of all algorithms."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from tabular.data.batch import Floats
from tabular.training import compile_step


@pytest.fixture(autouse=True)
def steps_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile in this process, because a separate process takes up to 2 s for each job.

    ``xgboost/compiling/test_step.py`` and the contract tests compile in the separate process.
    """

    def run_step(step: str, arguments: Mapping[str, Any], rows: Floats, termination: object) -> Any:
        module, _, function = step.partition(":")
        return getattr(import_module(module), function)(rows=rows, **arguments)

    monkeypatch.setattr(compile_step, "run_step", run_step)
