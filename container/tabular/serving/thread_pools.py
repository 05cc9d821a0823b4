"""Pools of threads for requests that have come whole: predictions, loads of models, all others.

A request's first line says which pool answers it, so ``/ping`` never waits behind predictions;
its size, whether small predictions wait behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from tabular.serving.connection import Connection

# For /ping and the like, which take no time.
CONTROL_THREADS = 8
# Loading a model takes seconds, and unloading waits for requests; several at a time.
LOADING_THREADS = 8
# The application works on a few such bodies at a time, and the others wait.
LARGE_BYTES = 1 << 16
PREDICTION = b"POST /invocations"
INVOKE = re.compile(rb"POST /models/[^ /]+/invoke[ ?]")
LOAD = re.compile(rb"(POST|DELETE) /models[ /?]")


class RequestPools(ThreadPoolExecutor):
    """Pools of threads: small predictions, large ones, and all other requests.

    Parameters
    ----------
    threads : int
        Of each of the pools for predictions.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="predict")
        self._large = ThreadPoolExecutor(threads, thread_name_prefix="large")
        self._control = ThreadPoolExecutor(CONTROL_THREADS, thread_name_prefix="control")

    def submit(self, handle: Callable[..., Any], /, conn: Connection) -> Future[Any]:  # type: ignore[override]
        """Queue a connection whose request has come whole."""
        lane = self._lane(conn.first_line)
        if lane is self and conn.held > LARGE_BYTES:
            lane = self._large
        # A lane is another pool, or this one.
        return super().submit(handle, conn) if lane is self else lane.submit(handle, conn)

    def _lane(self, start: bytes) -> Executor:
        return self if self._predicts(start) else self._control

    def _predicts(self, start: bytes) -> bool:
        return start.startswith(PREDICTION)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut all lanes down."""
        self._large.shutdown(wait, cancel_futures=cancel_futures)
        self._control.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class MultiModelPools(RequestPools):
    """The lanes of a multi-model endpoint: loads and unloads have one of their own."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._loading = ThreadPoolExecutor(LOADING_THREADS, thread_name_prefix="load")

    def _lane(self, start: bytes) -> Executor:
        return self._loading if LOAD.match(start) else super()._lane(start)

    def _predicts(self, start: bytes) -> bool:
        return INVOKE.match(start) is not None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut all lanes down."""
        self._loading.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)
