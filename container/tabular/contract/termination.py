"""SIGTERM: StopTrainingJob, the end of MaxRuntime, and spot interruption."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

# SageMaker sends SIGKILL 120 s after SIGTERM; the rest is for saving and the failure file.
GRACE_SECONDS = 100.0
EXIT_CODE = 128 + signal.SIGTERM
STOPPED = (
    "stopped by SIGTERM before training ended; no model was saved. To keep the model "
    "trained so far, set the hyperparameter save_model_on_termination=true"
)
OVERDUE = "stopped by SIGTERM: saving did not end within {seconds:.0f} s; no new model was saved"


class Termination:
    """Answers SIGTERM at once, or when work that must not be cut off has ended.

    The signal is taken by a thread of its own: Python runs signal handlers between byte
    codes only, and one boosting round in C++ may outlast the 120 s that SageMaker gives.

    Parameters
    ----------
    report : Callable[[str], None]
        Called with a message before the process exits.
    grace_seconds : float
        How long deferred work may go on after the signal.

    Attributes
    ----------
    requested : Event
        Set when the signal has come.
    rescue : callable or None
        Called when the grace is over and the work is not: saves what there was before it.
    farewell : callable or None
        Called before the report, to tell other hosts.
    passed_on : callable or None
        Called when the signal comes to deferred work, to pass it on to another process.
    stopped, overdue : str
        The messages when nothing is deferred, and when the grace is over.
    """

    def __init__(self, report: Callable[[str], None], grace_seconds: float = GRACE_SECONDS) -> None:
        self.requested = threading.Event()
        self.rescue: Callable[[], None] | None = None
        self.farewell: Callable[[], None] | None = None
        self.passed_on: Callable[[], None] | None = None
        self.stopped, self.overdue = STOPPED, OVERDUE
        self.grace_seconds = grace_seconds
        self._report = report
        self._deferrals = 0
        self._lock = threading.Lock()
        self._grace_ends: float | None = None

    def listen(self) -> None:
        """Start listening. Call in the main thread before any other thread is started.

        Threads started later inherit the blocked signal; a child process that should get
        SIGTERM must unblock it.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=self._wait, name="sigterm", daemon=True).start()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold off the exit while the body runs, for ``grace_seconds`` at most.

        The body looks at ``requested`` to end early; the process then goes on to its own,
        regular end.
        """
        with self._lock:
            self._deferrals += 1
        try:
            yield
        finally:
            with self._lock:
                self._deferrals -= 1

    def model_is_saved(self) -> None:
        """Let SIGTERM end the process with status 0 from now on: what follows is optional."""
        self.rescue = lambda: None
        with self._lock:
            self._deferrals += 1

    @property
    def seconds_left(self) -> float | None:
        """Seconds of the grace that are left; None before SIGTERM."""
        ends = self._grace_ends
        return None if ends is None else max(0.0, ends - time.monotonic())

    def begin_grace(self) -> None:
        """Count the grace from now on."""
        self._grace_ends = time.monotonic() + self.grace_seconds

    def _wait(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self.begin_grace()
        with self._lock:
            self.requested.set()
            deferred = self._deferrals > 0
        if deferred:
            if self.passed_on is not None:
                self.passed_on()
            threading.Event().wait(self.grace_seconds)
            if self.rescue is not None and self._rescued():
                os._exit(0)
            message = self.overdue.format(seconds=self.grace_seconds)
        else:
            message = self.stopped
        if self.farewell is not None:
            self.farewell()
        self._report(message)
        os._exit(EXIT_CODE)

    def _rescued(self) -> bool:
        try:
            if self.rescue is not None:
                self.rescue()
        except Exception:
            log.exception("the model of the round before could not be saved")
            return False
        return True
