"""Run a script's handlers: in which thread, and how many at the same time.

AWS's containers call the handlers of a worker process one at a time, in one thread. Scripts rely
on that: they keep a value in a global variable from ``input_fn`` to ``output_fn``, open an sqlite
connection in ``model_fn`` (only the thread that opened it may use it), or set an alarm (only the
main thread may).
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
    """Calls functions in the thread of a script's handlers.

    Attributes
    ----------
    exclusive : bool
        Whether only one function runs at a time.
    """

    exclusive: bool

    def __call__(self, function: Callable[[], T]) -> T:
        """Call a function; return its result or raise its exception."""

    def close(self) -> None:
        """Accept no more functions."""


class CallsStoppedError(Exception):
    """The thread that runs the handlers has ended."""


class CallTimeoutError(Exception):
    """The handlers of a request ran for too long; their process ends."""


class ConcurrentCalls:
    """Calls functions in the thread of the request, several at the same time.

    Parameters
    ----------
    limit : int
        How many functions run at the same time.
    """

    def __init__(self, limit: int) -> None:
        self.exclusive = limit == 1
        self._free = threading.BoundedSemaphore(limit)

    def __call__(self, function: Callable[[], T]) -> T:
        """Wait until fewer than ``limit`` other functions run, then call the function."""
        with self._free:
            return function()

    def close(self) -> None:
        """Do nothing: the threads belong to the requests."""


class CallQueue:
    """Calls functions in the thread that runs ``serve``, in the order of the calls.

    A queue may be created before a fork: it has no thread and no open file.

    Parameters
    ----------
    limit_seconds : float
        How long a function may run; 0 is no limit.
    on_timeout : callable
        Called once, when a function has run for too long and its caller has been told.
    """

    exclusive = True

    def __init__(
        self, limit_seconds: float = 0, on_timeout: Callable[[], None] = lambda: None
    ) -> None:
        self._limit, self._on_timeout = limit_seconds, on_timeout
        self._calls: deque[_Call] = deque()
        # The serving thread waits for a token: there is one for each call, and one for ``close``.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._begun_at: float | None = None

    def __call__(self, function: Callable[[], T]) -> T:
        """Call a function in the serving thread, with the context variables of this thread.

        Raises
        ------
        CallsStoppedError
            The serving thread ended before it ran the call.
        CallTimeoutError
            The function has run for too long. Nothing can end it but the end of the process.
        """
        call = _Call(function)
        self._calls.append(call)
        self._tokens.put(None)
        if self._closed:
            self._drop_waiting()
        pause = min(1.0, self._limit / 4) or None
        while not call.ended(pause):
            if call.begun and self.running_seconds() > self._limit:
                self.close()
                self._drop_waiting()
                self._on_timeout()
                raise CallTimeoutError
        result: T = call.wait()
        return result

    def serve(self) -> None:
        """Run calls in this thread until ``close``.

        A signal handler of the script may raise between two calls. That ends neither the thread
        nor a waiting call.
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
        """Return how long the current call has been running; 0 if none runs."""
        begun_at = self._begun_at
        return 0.0 if begun_at is None else time.monotonic() - begun_at

    def close(self) -> None:
        """End ``serve`` after the current call; waiting calls raise CallsStoppedError."""
        self._closed = True
        self._tokens.put(None)

    def _forget_first(self) -> None:
        with contextlib.suppress(IndexError):  # after ``close`` another thread may drop all calls
            self._calls.popleft()

    def _drop_waiting(self) -> None:
        """Let the waiting calls raise CallsStoppedError; the one that runs goes on."""
        with contextlib.suppress(IndexError):
            while True:
                self._calls.popleft().drop()


class _Call:
    """A function that another thread runs."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        self._context = copy_context()
        self.begun = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def run(self) -> None:
        """Run the function, unless it was started before."""
        function, self._function = self._function, None
        if function is not None:
            self.begun = True
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
        """Raise an error in the waiting thread, unless the function was started."""
        if not self.begun:
            self._error = CallsStoppedError("the server stops")
            self._end()

    def ended(self, seconds: float | None) -> bool:
        """Wait at most so long; return whether the call has ended. None waits for the end."""
        if not self._ended.acquire(timeout=-1 if seconds is None else seconds):
            return False
        self._ended.release()  # for ``wait``
        return True

    def wait(self) -> Any:
        """Wait for the function; return its result or raise its exception."""
        self._ended.acquire()
        # The exception's traceback refers to this frame, and the frame to its variables: delete
        # them, so that the request's data is freed before the exception.
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
    """A queue with its own thread, which ends after ``close``.

    Parameters
    ----------
    name : str
        The thread's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        # A daemon thread: a handler that hangs does not keep a stopping process alive.
        threading.Thread(target=self.serve, name=name, daemon=True).start()


def calls_of_model(threads: int) -> Calls:
    """Return the calls of one model of a multi-model endpoint.

    Parameters
    ----------
    threads : int
        ``TABULAR_SCRIPT_THREADS``: 1 for one thread that belongs to the model.
    """
    return ThreadCalls("script") if threads == 1 else ConcurrentCalls(threads)
