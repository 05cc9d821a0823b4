"""SIGTERM, sent to real processes: each test starts one that runs a few lines of Python."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PREAMBLE = """
import os, signal, sys, time
from tabular.contract.termination import Scope, Termination
termination = Termination(lambda message: print("REPORT", message, flush=True), {grace})
termination.listen()
def say(text): return lambda: print(text, flush=True)
def ready(): print("ready", flush=True); time.sleep(15)
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
    # Python would run a signal handler only after the call: a product of matrices in C that takes
    # seconds and, like XGBoost, releases the GIL.
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


def test_reason_is_that_of_the_innermost_scope() -> None:
    body = """
with termination.stopping("outer"), termination.stopping("inner"), termination.scope(Scope()):
    ready()
"""
    assert terminate(body)[:2] == (143, "REPORT inner\n")


def test_reason_of_a_scope_that_has_ended_is_forgotten() -> None:
    body = """
with termination.stopping("outer"):
    with termination.stopping("inner"): pass
    ready()
"""
    assert terminate(body)[1] == "REPORT outer\n"


def test_scope_ends_with_an_exception_of_its_body() -> None:
    body = """
try:
    with termination.deferred(), termination.stopping("inner"): raise ValueError
except ValueError:
    ready()
"""
    status, output, seconds = terminate(body)
    assert (status, "inner" in output) == (143, False)
    assert seconds < 5


def test_other_processes_are_notified_before_the_report() -> None:
    body = "with termination.notifying(say('notified')), termination.stopping('why'): ready()"
    assert terminate(body)[1] == "notified\nREPORT why\n"


def test_notification_that_fails_does_not_keep_the_process_alive() -> None:
    body = "with termination.notifying(lambda: 1 / 0), termination.stopping('why'): ready()"
    assert terminate(body)[:2] == (143, "REPORT why\n")


def test_optional_work_that_outlasts_the_grace_ends_with_0() -> None:
    body = """
with termination.deferred(), termination.notifying(say("notified")):
    with termination.optional_work(): ready()
"""
    status, output, seconds = terminate(body, grace=0.3)
    assert (status, output) == (0, "")
    assert seconds < 5


def test_work_around_the_saved_model_is_overdue_again() -> None:
    body = """
with termination.deferred():
    with termination.optional_work(): pass
    ready()
"""
    assert terminate(body, grace=0.3)[0] == 143


def test_work_beyond_the_grace_ends_with_the_newest_on_timeout() -> None:
    body = """
with termination.deferred() as scope:
    with termination.deferred(): pass
    scope.on_timeout = say("round 1")
    scope.on_timeout = say("round 2")
    ready()
"""
    assert terminate(body, grace=0.3)[:2] == (0, "round 2\n")


def test_on_timeout_that_fails_is_a_failure() -> None:
    body = "with termination.scope(Scope(deferred=True, on_timeout=lambda: 1 / 0)): ready()"
    status, output, _ = terminate(body, grace=0.3)
    assert status == 143
    assert output.startswith("REPORT stopped by SIGTERM: saving did not end")


def test_on_timeout_of_a_scope_that_has_ended_is_not_called() -> None:
    body = """
with termination.deferred():
    with termination.scope(Scope(on_timeout=say("timeout"))): pass
    ready()
"""
    status, output, _ = terminate(body, grace=0.3)
    assert (status, "timeout" in output) == (143, False)


def test_grace_and_reason_are_those_of_the_scope() -> None:
    body = """
with termination.scope(Scope(deferred=True, grace_seconds=0.5, timeout_reason="after {seconds} s")):
    print(termination.seconds_left, termination.grace_seconds, file=sys.stderr)
    ready()
"""
    status, output, seconds = terminate(body, grace=60)
    assert (status, output) == (143, "REPORT after 0.5 s\n")
    assert 0.5 <= seconds < 5


def test_grace_is_counted_down_from_the_signal_on() -> None:
    body = """
with termination.deferred():
    assert termination.seconds_left is None
    print("ready", flush=True)
    assert termination.requested.wait(10)
    first = termination.seconds_left
    time.sleep(0.2)
    print(first > termination.seconds_left > 0, flush=True)
"""
    assert terminate(body)[:2] == (0, "True\n")


def test_signal_is_forwarded_by_the_innermost_scope_once() -> None:
    body = """
outer, inner = Scope(deferred=True, forward=say("outer")), Scope(forward=say("inner"))
with termination.scope(outer), termination.scope(inner), termination.deferred():
    print("ready", flush=True)
    assert termination.requested.wait(10)
    time.sleep(0.3)
"""
    assert terminate(body)[:2] == (0, "inner\n")


def test_signal_that_came_before_the_scope_is_forwarded_once() -> None:
    body = """
with termination.deferred():
    print("ready", flush=True)
    assert termination.requested.wait(10)
    with termination.scope(Scope(forward=say("forwarded"))):
        time.sleep(0.3)
"""
    assert terminate(body)[:2] == (0, "forwarded\n")


def test_signal_that_cannot_be_forwarded_leaves_the_grace_as_it_is() -> None:
    body = "with termination.scope(Scope(deferred=True, forward=lambda: 1 / 0)): ready()"
    status, output, _ = terminate(body, grace=0.3)
    assert status == 143
    assert output.startswith("REPORT stopped by SIGTERM: saving did not end")


def test_signal_is_forwarded_to_a_child_that_unblocks_it() -> None:
    body = """
child = os.fork()
if child == 0:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    time.sleep(15)
def forward(): os.kill(child, signal.SIGTERM)
with termination.scope(Scope(deferred=True, forward=forward)):
    print("ready", flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
    assert terminate(body)[:2] == (0, "-15\n")
