"""Real signals to real processes: each test starts one that does what its script says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PREAMBLE = """
import sys, time
from tabular.contract.termination import Termination
termination = Termination(lambda message: print("REPORT", message, flush=True), {grace})
termination.listen()
"""


def terminate(body: str, grace: float = 30) -> tuple[int, str, float]:
    """Run a script, send SIGTERM when it prints ``ready``; exit status, output, seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE.format(grace=grace) + body],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output, time.monotonic() - started


AT_ONCE = "print('ready', flush=True); time.sleep(15)"
DEFERRED = """
with termination.deferred():
    print('ready', flush=True)
    assert termination.requested.wait(10)
    time.sleep(0.2)
    print('saved', flush=True)
"""


def test_signal_ends_the_process_with_143() -> None:
    assert terminate(AT_ONCE)[0] == 143


def test_signal_is_answered_at_once() -> None:
    assert terminate(AT_ONCE)[2] < 5


def test_signal_is_reported() -> None:
    assert "REPORT stopped by SIGTERM before training ended" in terminate(AT_ONCE)[1]


def test_signal_is_answered_while_the_main_thread_is_in_a_library() -> None:
    # Python would run a signal handler only after the call: a sum in C that takes seconds and,
    # like XGBoost, lets go of Python's lock.
    body = """
import numpy
big = numpy.ones((3000, 3000))
print('ready', flush=True)
while True: big @ big
"""
    assert terminate(body)[0] == 143


def test_deferred_work_is_finished() -> None:
    assert terminate(DEFERRED)[1] == "saved\n"


def test_deferred_work_ends_regularly() -> None:
    assert terminate(DEFERRED)[0] == 0


def test_deferred_work_that_outlasts_the_grace_is_cut_off() -> None:
    status, output, _ = terminate(
        "with termination.deferred(): print('ready', flush=True); time.sleep(15)", grace=0.3
    )
    assert (status, output.startswith("REPORT stopped by SIGTERM: saving did not end")) == (
        143,
        True,
    )


def test_work_before_a_deferral_is_not_deferred() -> None:
    body = "with termination.deferred(): pass\nprint('ready', flush=True); time.sleep(15)"
    assert terminate(body)[0] == 143


def test_inner_deferral_does_not_end_the_outer_one() -> None:
    body = """
with termination.deferred():
    with termination.deferred(): pass
    print('ready', flush=True)
    time.sleep(0.5)
    print('saved', flush=True)
"""
    assert terminate(body)[:2] == (0, "saved\n")


@pytest.mark.parametrize("count", [2, 5])
def test_more_signals_change_nothing(count: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE.format(grace=30) + DEFERRED],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(count):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    process.communicate(timeout=20)
    assert process.returncode == 0
