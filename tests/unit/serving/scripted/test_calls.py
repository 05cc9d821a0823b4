"""Calls of a script's handlers: the queue, its thread, and how it stops."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from tabular.serving.scripted.calls import (
    CallQueue,
    CallsStoppedError,
    CallTimeoutError,
    ConcurrentCalls,
    ThreadCalls,
)

variable: ContextVar[int] = ContextVar("variable", default=0)


@pytest.fixture
def calls() -> Iterator[ThreadCalls]:
    opened = ThreadCalls("script")
    yield opened
    opened.close()


def test_all_functions_run_in_one_thread_one_at_a_time(calls: ThreadCalls) -> None:
    running, most, threads = 0, 0, set()

    def function(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.get_ident())
        time.sleep(0.001)
        running -= 1
        return number

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda number: calls(lambda: function(number)), range(200)))
    assert (numbers, most, len(threads)) == ([*range(200)], 1, 1)


def test_function_sees_the_context_of_its_caller(calls: ThreadCalls) -> None:
    variable.set(7)
    assert calls(variable.get) == 7


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_error_is_raised_in_the_caller_and_the_thread_continues(
    calls: ThreadCalls, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error("words")

    with pytest.raises(error, match="words"):
        calls(fail)
    assert calls(lambda: 1) == 1


def test_close_ends_waiting_calls_with_an_error_and_lets_the_running_call_finish() -> None:
    calls, begun, go = ThreadCalls("script"), threading.Event(), threading.Event()

    def first() -> str:
        begun.set()
        go.wait(10)
        return "ended"

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(calls, first)
        begun.wait(10)
        waiting = pool.submit(calls, lambda: "never")
        time.sleep(0.05)
        calls.close()
        go.set()
        assert running.result(10) == "ended"
        with pytest.raises(CallsStoppedError):
            waiting.result(10)
    with pytest.raises(CallsStoppedError):
        calls(lambda: "after the close")


def test_signal_handler_that_raises_between_two_calls_affects_no_call() -> None:
    """The main thread runs the queue, as in a worker; an alarm fires between two calls."""
    calls, answers = CallQueue(), []

    def late(*_: object) -> None:
        raise TimeoutError("an alarm that nobody has stopped")

    before = signal.signal(signal.SIGALRM, late)

    def ask() -> None:
        for number in range(5):
            alarm = lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)  # noqa: E731
            calls(alarm)
            time.sleep(0.15)
            answers.append(calls(lambda number=number: number))  # type: ignore[misc]
        calls.close()

    asking = threading.Thread(target=ask)
    try:
        asking.start()
        calls.serve()
        asking.join(10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert answers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("limit", [1, 3])
def test_concurrent_calls_are_limited(limit: int) -> None:
    calls, running, most = ConcurrentCalls(limit), 0, 0
    lock = threading.Lock()

    def function() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: calls(function), range(24)))
    assert most == limit


def test_call_that_hangs_is_given_up_and_those_behind_it_are_dropped() -> None:
    told = threading.Event()
    calls = CallQueue(limit_seconds=0.2, on_timeout=told.set)
    hung = threading.Event()
    threading.Thread(target=calls.serve, daemon=True).start()
    with ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(calls, lambda: hung.wait(30))
        time.sleep(0.05)
        waiting = pool.submit(calls, lambda: 1)
        with pytest.raises(CallTimeoutError):
            hanging.result(10)
        with pytest.raises(CallsStoppedError):
            waiting.result(10)
        assert told.is_set()
        with pytest.raises(CallsStoppedError):
            calls(lambda: 2)
    hung.set()


def test_short_calls_are_not_ended() -> None:
    calls = CallQueue(limit_seconds=0.4)
    threading.Thread(target=calls.serve, daemon=True).start()
    with ThreadPoolExecutor(4) as pool:  # together they take longer than one may
        assert list(pool.map(calls, [lambda: time.sleep(0.2)] * 4)) == [None] * 4
    calls.close()
