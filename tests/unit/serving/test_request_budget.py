"""The memory budget of a worker's requests."""

from __future__ import annotations

import threading
import time

from tabular.serving.request_budget import RequestBudget


def test_requests_that_do_not_fit_together_wait() -> None:
    budget = RequestBudget(100)
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        give_back = budget.reserve(60)
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        give_back()
        give_back()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 1
    assert not any(thread.is_alive() for thread in threads)


def test_small_requests_run_at_the_same_time() -> None:
    budget = RequestBudget(100)
    ends = [budget.reserve(50), budget.reserve(50)]
    for give_back in ends:
        give_back()


def test_request_above_the_limit_runs_alone() -> None:
    RequestBudget(100).reserve(1000)()
