"""Which thread runs a script's handlers, and how many of them run at the same time.

AWS's containers call the handlers of a worker process one at a time, in one thread. Scripts rely
on it: they keep a value in a global from ``input_fn`` to ``output_fn``, open an sqlite connection
in ``model_fn`` (which only the thread that opened it may use), or set an alarm (which only the
main thread may do).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class Calls(Protocol):
    """Calls a function where a script's handlers run, and returns what it returned.

    Attributes
    ----------
    exclusive : bool
        Only one function runs at a time.
    """

    exclusive: bool

    def __call__(self, function: Callable[[], T]) -> T:
        """Call a function, wait for its end, and return its result or raise its error."""

    def close(self) -> None:
        """Take no more functions."""


class CallsStoppedError(Exception):
    """The thread that runs the handlers has ended."""


class ConcurrentCalls:
    """Calls handlers in the thread of the request, in several threads at a time.

    Parameters
    ----------
    limit : int
        How many handlers run at the same time.
    """

    def __init__(self, limit: int) -> None:
        self.exclusive = limit == 1
        self._free = threading.BoundedSemaphore(limit)

    def __call__(self, function: Callable[[], T]) -> T:
        """Call a function once fewer than ``limit`` others run."""
        with self._free:
            return function()

    def close(self) -> None:
        """Do nothing: the threads are those of the requests."""


class CallQueue:
    """Calls handlers in the one thread that runs ``serve``, in the order in which they came.

    It may be made before a fork: it holds no thread and no open file.
    """

    exclusive = True

    def __init__(self) -> None:
        self._calls: deque[_Call] = deque()
        # One token for each call, and one at the end: what the serving thread waits for.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._begun_at: float | None = None

    def __call__(self, function: Callable[[], T]) -> T:
        """Call a function in the serving thread, with the context variables of this one.

        Raises
        ------
        CallsStoppedError
            The serving thread has ended, or ends before it comes to this call.
        """
        call = _Call(function)
        self._calls.append(call)
        self._tokens.put(None)
        if self._closed:
            self._drop_waiting()
        result: T = call.wait()
        return result

    def serve(self) -> None:
        """Run calls in this thread until ``close``.

        A signal handler of the script may raise at any time, also between two calls: that costs
        neither the thread nor a call that waits.
        """
        while not self._closed:
            try:
                self._tokens.get()
                while self._calls and not self._closed:
                    self._begun_at = time.monotonic()
                    self._calls[0].run()
                    self._begun_at = None
                    self._forget_first()
            except BaseException as error:
                log.warning("a signal handler of the script raised %r between two calls", error)
                self._tokens.put(None)
        self._drop_waiting()

    def running_seconds(self) -> float:
        """Return for how long the call that runs now has been running, 0 without one."""
        begun_at = self._begun_at
        return 0.0 if begun_at is None else time.monotonic() - begun_at

    def close(self) -> None:
        """End ``serve`` after the call that runs now; those that wait get an error."""
        self._closed = True
        self._tokens.put(None)

    def _forget_first(self) -> None:
        with contextlib.suppress(IndexError):  # another thread has dropped all, after ``close``
            self._calls.popleft()

    def _drop_waiting(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._calls.popleft().drop()


class _Call:
    """One function that another thread runs."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        self._context = copy_context()
        self._begun = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def run(self) -> None:
        """Run the function, unless it was begun before."""
        function, self._function = self._function, None
        if function is not None:
            self._begun = True
            try:
                self._result = self._context.run(function)
            except BaseException as error:
                self._error = error
        elif self._result is None and self._error is None:
            self._error = CallsStoppedError(
                "a signal handler of the script raised after its handlers"
            )
        del function
        self._end()

    def drop(self) -> None:
        """Let the waiting thread go on with an error, unless the function has begun."""
        if not self._begun:
            self._error = CallsStoppedError("the server stops")
            self._end()

    def wait(self) -> Any:
        """Wait for the end of the function; return its result or raise its error."""
        self._ended.acquire()
        # A traceback holds this frame: what stays in it would stay as long as the error.
        result, error = self._result, self._error
        self._result = self._error = None
        if error is None:
            return result
        try:
            raise error
        finally:
            del error, result

    def _end(self) -> None:
        with contextlib.suppress(RuntimeError):  # released already
            self._ended.release()


class ThreadCalls(CallQueue):
    """A queue with a thread of its own, which ends after ``close``.

    Parameters
    ----------
    name : str
        The thread's.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        # A daemon: a handler that hangs does not keep a stopping process alive.
        threading.Thread(target=self.serve, name=name, daemon=True).start()


def calls_of_model(threads: int) -> Calls:
    """Choose where the handlers of one of several models run.

    Parameters
    ----------
    threads : int
        ``TABULAR_SCRIPT_THREADS``: 1 for a thread that belongs to the model.
    """
    return ThreadCalls("script") if threads == 1 else ConcurrentCalls(threads)
