"""An optional step runs in a process of its own, and whatever happens to it is a reason."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabular.contract.termination import Termination
from tabular.training import optional_step
from tabular.training.optional_step import StepError, run_step

STEPS = "steps"
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def run(name: str, termination: Termination | None = None, **arguments: Any) -> Any:
    return run_step(
        f"{STEPS}:{name}", arguments, ROWS, termination or Termination(lambda message: None)
    )


def test_result_comes_back_from_another_process() -> None:
    found = run("add", more=1.5)
    assert found["sum"] == ROWS.sum() + 1.5
    assert found["shape"] == [4, 3]
    assert found["process"] != os.getpid()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("take_memory", r"^out of memory \(\d+ MiB were left\)$"),
        ("refuse", "^/somewhere can't be written$"),
        ("fail", "^KeyError: 'odd'$"),
        ("crash", "^its process ended with SIGSEGV$"),
        ("end", "^the last words$"),
        ("missing", "^AttributeError: "),
    ],
)
def test_failure_is_a_reason(step: str, said: str) -> None:
    with pytest.raises(StepError, match=said):
        run(step)


def test_large_rows_reach_the_step() -> None:
    rows = np.ones((1000, 3000), np.float32)
    found = run_step(f"{STEPS}:add", {"more": 0}, rows, Termination(lambda message: None))
    assert found["sum"] == rows.size


def test_step_ends_before_the_grace_after_sigterm_does() -> None:
    termination = Termination(lambda message: None, grace_seconds=12)
    began = time.monotonic()
    termination.begin_grace()
    with pytest.raises(StepError, match=r"SIGTERM came, and the step did not end within [23] s"):
        run("hang", termination)
    assert time.monotonic() - began < termination.grace_seconds - 7


def test_stuck_step_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_step, "LONGEST_SECONDS", 1.0)
    with pytest.raises(StepError, match="the step did not end within 1 s"):
        run("hang")


def test_no_process_is_started_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_step, "memory_left", lambda: 50 << 20)
    with pytest.raises(StepError, match="50 MiB of memory are left, too few to begin"):
        run("add", more=0)


def test_process_that_is_too_large_says_how_much_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optional_step, "memory_left", lambda: 200 << 20)
    with pytest.raises(StepError, match=r"out of memory \(200 MiB were left\)"):
        run("take_memory")


def test_step_that_reads_its_libraries_again_and_again_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optional_step, "MOST_FAULTS", -1)
    with pytest.raises(StepError, match=r"^out of memory"):
        run("hang")


def test_import_that_waits_without_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(optional_step, "IMPORT_SECONDS", 4)
    (tmp_path / "waiting.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StepError, match="SIGALRM: out of memory"):
        run_step("waiting:step", {}, ROWS, Termination(lambda message: None))


def test_import_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(optional_step, "IMPORT_CPU_SECONDS", 2)
    (tmp_path / "spinning.py").write_text("while True: pass")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StepError, match="SIGXCPU: out of memory"):
        run_step("spinning:step", {}, ROWS, Termination(lambda message: None))
