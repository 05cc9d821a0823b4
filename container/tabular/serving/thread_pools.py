"""Thread pools for complete requests: small predictions, large predictions, all others.

The request line decides which pool answers a request, so ``/ping`` never waits for predictions.
The size of the request decides between the pools for predictions, so that a row does not wait
for large requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from tabular.serving.connection import Connection

# /ping, /metrics and the page take little time.
CONTROL_THREADS = 8
# Loading a model takes seconds, and unloading a model waits for its requests.
LOADING_THREADS = 8
# A larger request goes to the pool for large predictions.
LARGE_BYTES = 1 << 16
PREDICTION = b"POST /invocations"
INVOKE = re.compile(rb"POST /models/[^ /]+/invoke[ ?]")
LOAD = re.compile(rb"(POST|DELETE) /models[ /?]")


class RequestPools(ThreadPoolExecutor):
    """The thread pools of a worker; the executor itself is the pool for small predictions.

    Parameters
    ----------
    threads : int
        Threads of each of the two pools for predictions.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="predict")
        self._large = ThreadPoolExecutor(threads, thread_name_prefix="large")
        self._control = ThreadPoolExecutor(CONTROL_THREADS, thread_name_prefix="control")

    def submit(self, handle: Callable[..., Any], /, conn: Connection) -> Future[Any]:  # type: ignore[override]
        """Queue a connection with a complete request."""
        pool = self._pool(conn.first_line)
        if pool is self and conn.held > LARGE_BYTES:
            pool = self._large
        return super().submit(handle, conn) if pool is self else pool.submit(handle, conn)

    def _pool(self, request_line: bytes) -> Executor:
        return self if self._predicts(request_line) else self._control

    def _predicts(self, request_line: bytes) -> bool:
        return request_line.startswith(PREDICTION)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down all pools."""
        self._large.shutdown(wait, cancel_futures=cancel_futures)
        self._control.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class MultiModelPools(RequestPools):
    """The thread pools of a multi-model endpoint: models are loaded and unloaded in a fourth."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._loading = ThreadPoolExecutor(LOADING_THREADS, thread_name_prefix="load")

    def _pool(self, request_line: bytes) -> Executor:
        return self._loading if LOAD.match(request_line) else super()._pool(request_line)

    def _predicts(self, request_line: bytes) -> bool:
        return INVOKE.match(request_line) is not None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down all pools."""
        self._loading.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)
