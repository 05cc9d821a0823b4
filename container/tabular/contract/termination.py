"""SIGTERM: SageMaker sends it for StopTrainingJob, the end of MaxRuntime, and spot interruption.

Scopes decide what SIGTERM does. The code enters a scope with ``with`` where a piece of work
begins; the scope says what SIGTERM means there, and ends with the block. Scopes nest. Each
attribute is taken from the innermost scope that sets it.
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


@dataclass(eq=False)
class Scope:
    """What SIGTERM does during one piece of work. None: the enclosing scope decides.

    Scopes are compared by identity: two nested ones may have equal attributes.

    Attributes
    ----------
    stopped : str or None
        The failure reason when the process exits at once.
    overdue : str or None
        The failure reason when the work does not end within the grace period. ``{seconds}`` in it
        is replaced by the grace period.
    grace_seconds : float or None
        The grace period: how long deferred work may go on after SIGTERM.
    deferred : bool
        The process does not exit at once. The work checks ``requested`` and ends by itself.
        True in any enclosing scope is enough.
    pass_on : callable or None
        Called once when SIGTERM arrives, to send it to another process. Needs ``deferred``.
    rescue : callable or None
        Called when the grace period is over and the work has not ended. It saves the model that
        there is; the process then exits with status 0. Needs ``deferred``. The work may replace
        it while the scope is open, whenever there is a newer model to save.
    farewell : callable or None
        Called before the failure is reported, to notify other processes or hosts.
    """

    stopped: str | None = None
    overdue: str | None = None
    grace_seconds: float | None = None
    deferred: bool = False
    pass_on: Callable[[], None] | None = None
    rescue: Callable[[], None] | None = None
    farewell: Callable[[], None] | None = None


class Termination:
    """Handles SIGTERM as the open scopes say.

    A thread of its own waits for the signal. A Python signal handler would run between byte codes
    only, and one boosting round in C++ may take longer than the 120 s that SageMaker gives.

    Parameters
    ----------
    report : Callable[[str], None]
        Called with the failure reason before the process exits.
    grace_seconds : float
        The grace period where no scope sets one.

    Attributes
    ----------
    requested : Event
        Set when SIGTERM has arrived.

    Examples
    --------
    >>> termination = Termination(print)
    >>> with termination.deferred():
    ...     termination.requested.is_set()  # checked at each step of the work
    False
    """

    def __init__(self, report: Callable[[str], None], grace_seconds: float = GRACE_SECONDS) -> None:
        self.requested = threading.Event()
        self._report = report
        self._scopes = [Scope(stopped=STOPPED, overdue=OVERDUE, grace_seconds=grace_seconds)]
        self._lock = threading.RLock()
        self._grace_ends: float | None = None

    def listen(self) -> None:
        """Start the thread that waits for SIGTERM.

        Call in the main thread before any other thread is started: threads started later inherit
        the blocked signal. Child processes inherit it too; a child that should receive SIGTERM
        must unblock it.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=self._wait, name="sigterm", daemon=True).start()

    @contextmanager
    def scope(self, scope: Scope) -> Iterator[Scope]:
        """Open a scope for the body.

        If SIGTERM has arrived before, the scope's own ``pass_on`` is called first.
        """
        with self._lock:
            self._scopes.append(scope)
            already_requested = self.requested.is_set()
        try:
            if already_requested and scope.pass_on is not None:
                scope.pass_on()
            yield scope
        finally:
            with self._lock:
                self._scopes.remove(scope)

    def stopping(self, reason: str) -> AbstractContextManager[Scope]:
        """Open a scope whose failure reason is ``reason`` when the process exits at once."""
        return self.scope(Scope(stopped=reason))

    def telling(self, farewell: Callable[[], None]) -> AbstractContextManager[Scope]:
        """Open a scope that calls ``farewell`` before SIGTERM ends the process."""
        return self.scope(Scope(farewell=farewell))

    def deferred(self) -> AbstractContextManager[Scope]:
        """Open a scope in which the process exits after the grace period only.

        The body checks ``requested`` to end early; the process then exits in the regular way.
        """
        return self.scope(Scope(deferred=True))

    def saved(self) -> AbstractContextManager[Scope]:
        """Open a scope for optional work after the model is saved: the exit status is 0."""
        return self.scope(Scope(deferred=True, rescue=lambda: None))

    @property
    def grace_seconds(self) -> float:
        """The grace period: how long deferred work may go on after SIGTERM."""
        return float(self._innermost("grace_seconds"))

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the grace period ends; None before SIGTERM."""
        ends = self._grace_ends
        return None if ends is None else max(0.0, ends - time.monotonic())

    def begin_grace(self) -> None:
        """Start the grace period now."""
        self._grace_ends = time.monotonic() + self.grace_seconds

    def _innermost(self, name: str) -> Any:
        """Return an attribute of the innermost scope in which it is not None, or None."""
        with self._lock:
            values = (getattr(scope, name) for scope in reversed(self._scopes))
            return next((value for value in values if value is not None), None)

    def _wait(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self.begin_grace()
        with self._lock:
            # A scope that is entered after this calls its own pass_on.
            self.requested.set()
            deferred = any(scope.deferred for scope in self._scopes)
            pass_on = self._innermost("pass_on")
        if deferred:
            _attempt(pass_on, "SIGTERM could not be passed on")
            threading.Event().wait(self.seconds_left)
            if _attempt(self._innermost("rescue"), "the model trained so far could not be saved"):
                os._exit(0)
            reason = self._innermost("overdue").format(seconds=self.grace_seconds)
        else:
            reason = self._innermost("stopped")
        _attempt(self._innermost("farewell"), "other processes could not be notified of SIGTERM")
        self._report(reason)
        os._exit(EXIT_CODE)


def _attempt(call: Callable[[], None] | None, failure: str) -> bool:
    """Call a function of a scope, and return whether it succeeded.

    An exception is only logged, because the process must exit in any case.
    """
    if call is None:
        return False
    try:
        call()
    except Exception:
        log.exception(failure)
        return False
    return True
