"""SIGTERM: StopTrainingJob, the end of MaxRuntime, and spot interruption.

What SIGTERM does is decided by scopes. A scope is entered with ``with`` where a piece of work
begins, says what SIGTERM means there, and ends with the block. Of nested scopes the innermost one
that says something decides.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

# SageMaker sends SIGKILL 120 s after SIGTERM; the rest is for saving and the failure file.
GRACE_SECONDS = 100.0
EXIT_CODE = 128 + signal.SIGTERM
STOPPED = (
    "stopped by SIGTERM before training ended; no model was saved. To keep the model "
    "trained so far, set the hyperparameter save_model_on_termination=true"
)
OVERDUE = "stopped by SIGTERM: saving did not end within {seconds:.0f} s; no new model was saved"


@dataclass
class Scope:
    """What SIGTERM does in one piece of work; None leaves it to the scope around.

    Attributes
    ----------
    stopped : str or None
        The failure reason if the process exits at once.
    overdue : str or None
        The failure reason if the work does not end within the grace; ``{seconds}`` is the grace.
    grace_seconds : float or None
        How long deferred work may go on after the signal.
    deferred : bool
        The process does not exit at once: the work looks at ``requested`` and ends by itself.
    pass_on : callable or None
        Called when SIGTERM comes, to pass it on to another process. Needs ``deferred``.
    rescue : callable or None
        Called when the grace is over and the work has not ended. Saves what there is; the
        process then exits with status 0. Needs ``deferred``. May be set again while the scope
        lasts, each time there is more to save.
    farewell : callable or None
        Called before the failure is reported, to tell other processes or hosts.
    """

    stopped: str | None = None
    overdue: str | None = None
    grace_seconds: float | None = None
    deferred: bool = False
    pass_on: Callable[[], None] | None = None
    rescue: Callable[[], None] | None = None
    farewell: Callable[[], None] | None = None


class Termination:
    """Answers SIGTERM as the scopes say that are open when it comes.

    A thread of its own takes the signal: Python runs signal handlers between byte codes only, and
    one boosting round in C++ may outlast the 120 s that SageMaker gives.

    Parameters
    ----------
    report : Callable[[str], None]
        Called with the failure reason before the process exits.
    grace_seconds : float
        How long deferred work may go on after the signal, where no scope says another time.

    Attributes
    ----------
    requested : Event
        Set when the signal has come.

    Examples
    --------
    >>> termination = Termination(print)
    >>> with termination.deferred():
    ...     termination.requested.is_set()  # asked for at each step of the work
    False
    """

    def __init__(self, report: Callable[[str], None], grace_seconds: float = GRACE_SECONDS) -> None:
        self.requested = threading.Event()
        self._report = report
        self._scopes = [Scope(stopped=STOPPED, overdue=OVERDUE, grace_seconds=grace_seconds)]
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
    def scope(self, scope: Scope) -> Iterator[Scope]:
        """Let a scope decide while the body runs.

        SIGTERM may have come before the body begins: the scope's ``pass_on`` is called then too.
        """
        with self._lock:
            self._scopes.append(scope)
            late = self.requested.is_set()
        try:
            if late and scope.pass_on is not None:
                scope.pass_on()
            yield scope
        finally:
            with self._lock:
                self._scopes.remove(scope)

    def stopping(self, reason: str) -> AbstractContextManager[Scope]:
        """Report ``reason`` when SIGTERM ends the process while the body runs."""
        return self.scope(Scope(stopped=reason))

    def telling(self, farewell: Callable[[], None]) -> AbstractContextManager[Scope]:
        """Call ``farewell`` before SIGTERM ends the process while the body runs."""
        return self.scope(Scope(farewell=farewell))

    def deferred(self) -> AbstractContextManager[Scope]:
        """Put off the exit while the body runs, until the grace is over.

        The body looks at ``requested`` to end early; the process then goes on to its regular end.
        """
        return self.scope(Scope(deferred=True))

    def saved(self) -> AbstractContextManager[Scope]:
        """Let SIGTERM end the process with status 0: the model is saved, the rest is optional."""
        return self.scope(Scope(deferred=True, rescue=lambda: None))

    @property
    def grace_seconds(self) -> float:
        """How long deferred work may go on after the signal."""
        return float(self._innermost("grace_seconds"))

    @property
    def seconds_left(self) -> float | None:
        """Seconds of the grace that are left; None before SIGTERM."""
        ends = self._grace_ends
        return None if ends is None else max(0.0, ends - time.monotonic())

    def begin_grace(self) -> None:
        """Count the grace from now on."""
        self._grace_ends = time.monotonic() + self.grace_seconds

    def _innermost(self, name: str) -> Any:
        """Return an attribute of the innermost scope in which it is not None, or None."""
        with self._lock:
            found = (getattr(scope, name) for scope in reversed(self._scopes))
            return next((said for said in found if said is not None), None)

    def _wait(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self.begin_grace()
        with self._lock:
            self.requested.set()
            deferred = any(scope.deferred for scope in self._scopes)
        if deferred:
            self._call("pass_on")
            threading.Event().wait(self.seconds_left)
            if self._rescued():
                os._exit(0)
            reason = self._innermost("overdue").format(seconds=self.grace_seconds)
        else:
            reason = self._innermost("stopped")
        self._call("farewell")
        self._report(reason)
        os._exit(EXIT_CODE)

    def _call(self, name: str) -> bool:
        call = self._innermost(name)
        if call is None:
            return False
        call()
        return True

    def _rescued(self) -> bool:
        try:
            return self._call("rescue")
        except Exception:
            log.exception("the model of the round before could not be saved")
            return False
