"""What the tests of all algorithms share."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from tabular.data.batch import Floats
from tabular.training import compile_step


@pytest.fixture(autouse=True)
def steps_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile here, where jobs are about other things: a process takes up to 2 s for each.

    ``xgboost/compiling/test_step.py`` and the tests in containers have the process.
    """

    def run_step(step: str, arguments: Mapping[str, Any], rows: Floats, termination: object) -> Any:
        module, _, function = step.partition(":")
        return getattr(import_module(module), function)(rows=rows, **arguments)

    monkeypatch.setattr(compile_step, "run_step", run_step)
