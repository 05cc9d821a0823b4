"""The process that starts a worker for each GPU: the error and the exit code that it reports."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from tabular.commands import workers
from tabular.commands.error_report import ErrorReport
from tabular.commands.workers import run_workers
from tabular.contract.termination import Termination

# A worker reads its description; then it runs the code of the test.
PROLOGUE = """
import json, os, signal, sys, time
worker = json.loads(os.environ["TABULAR_WORKER"])
local_rank = worker["local_rank"]
def say(line, caused_elsewhere):
    report = {"line": line, "details": "", "exit_code": 3, "expected": True}
    message = {**report, "caused_elsewhere": caused_elsewhere}
    os.write(worker["report_pipe"], json.dumps(message).encode())
"""


def run(
    monkeypatch: pytest.MonkeyPatch, code: str, count: int = 2, stop: bool = False
) -> ErrorReport | None:
    monkeypatch.setattr(workers, "COMMAND", (sys.executable, "-c", PROLOGUE + code))
    termination = Termination(lambda message: None)
    if stop:
        termination.requested.set()
    return run_workers(["cpu"] * count, True, termination)


def _masked(monkeypatch: pytest.MonkeyPatch, code: str) -> ErrorReport | None:
    """Stop the workers, with SIGTERM blocked in this thread only, as ``listen`` blocks it."""
    result: list[ErrorReport | None] = []

    def stopped() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        result.append(run(monkeypatch, code, stop=True))

    thread = threading.Thread(target=stopped)
    thread.start()
    thread.join(60)
    return result[0]


def test_success_of_all_workers_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "sys.exit(0)") is None


def test_each_worker_gets_its_local_rank_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        'say(f\'{local_rank} of {worker["count"]} on {worker["device"]}\', False)'
        "; sys.exit(local_rank)"
    )
    report = run(monkeypatch, code)
    assert report is not None
    assert (report.line, report.exit_code) == ("1 of 2 on cpu", 1)


def test_own_error_goes_before_one_caused_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "time.sleep(local_rank); say(f'reason of {local_rank}', local_rank == 0); sys.exit(2)"
    report = run(monkeypatch, code)
    assert report is not None
    assert report.line == "reason of 1"


def test_first_of_two_own_errors_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "time.sleep(1 - local_rank); say(f'reason of {local_rank}', False)"
        "; sys.exit(5 + local_rank)"
    )
    report = run(monkeypatch, code)
    assert report is not None
    assert (report.line, report.exit_code) == ("reason of 1", 6)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("os.abort()", "GPU 0 (cpu) was killed by SIGABRT; see the log"),
        ("os.kill(os.getpid(), 9)", "GPU 0 (cpu) was killed by SIGKILL; probably out of memory: "),
        ("sys.exit(7)", "GPU 0 (cpu) ended with exit code 7 without a reason; see the log"),
    ],
)
def test_worker_that_ends_without_a_report_is_described(
    monkeypatch: pytest.MonkeyPatch, code: str, line: str
) -> None:
    report = run(monkeypatch, code, 1)
    assert report is not None
    assert report.line.startswith("PlatformError: the process of ")
    assert line in report.line
    assert report.exit_code == 3


def test_workers_that_do_not_end_after_a_failure_are_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "EXIT_SECONDS", 0.3)
    begin = time.monotonic()
    report = run(monkeypatch, "time.sleep(60 * local_rank); say('x', False); sys.exit(1)")
    assert report is not None
    assert report.line == "x"
    assert time.monotonic() - begin < 30


def test_each_worker_gets_sigterm_once(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, {15}); signal.sigwait({15})\n"
        "again = signal.sigtimedwait({15}, 0.5); sys.exit(9 if again else 0)"
    )
    assert _masked(monkeypatch, code) is None


def test_model_saved_by_one_worker_after_sigterm_is_a_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "say('saving did not end', False); sys.exit(143 * local_rank)"
    assert _masked(monkeypatch, code) is None
