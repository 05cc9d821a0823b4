"""SIGTERM: SageMaker sends it for StopTrainingJob, the end of MaxRuntime, and spot interruption.

Scopes define what SIGTERM does. Each piece of work opens a scope with ``with``. Scopes nest: each
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

# SageMaker sends SIGKILL 120 s after SIGTERM. 20 s remain to save the model and the failure file.
GRACE_SECONDS = 100.0
EXIT_CODE = 128 + signal.SIGTERM
STOPPED = (
    "stopped by SIGTERM before training ended; no model was saved. To keep the model "
    "trained so far, set the hyperparameter save_model_on_termination=true"
)
TIMED_OUT = "stopped by SIGTERM: saving did not end within {seconds:.0f} s; no new model was saved"


@dataclass(eq=False)
class Scope:
    """What SIGTERM does during one piece of work.

    An attribute that is None is taken from the enclosing scope. Scopes are compared by identity,
    because two nested scopes may have equal attributes.

    Attributes
    ----------
    stop_reason : str or None
        The failure reason when the process exits at once.
    timeout_reason : str or None
        The failure reason when the work does not end within the grace period. The text
        ``{seconds}`` is replaced by the length of the grace period.
    grace_seconds : float or None
        The grace period: how long deferred work may continue after SIGTERM.
    deferred : bool
        The process does not exit at once: the work checks ``requested`` and ends by itself. The
        exit is deferred if any open scope has True.
    forward : callable or None
        Called once when SIGTERM arrives, to send the signal to another process. Needs
        ``deferred``.
    on_timeout : callable or None
        Called when the grace period ends before the work does, to save the latest model. The
        process then exits with status 0. Needs ``deferred``. The work may assign a new function
        while the scope is open, for each newer model.
    before_exit : callable or None
        Called before the failure is reported, to notify other processes or hosts.
    """

    stop_reason: str | None = None
    timeout_reason: str | None = None
    grace_seconds: float | None = None
    deferred: bool = False
    forward: Callable[[], None] | None = None
    on_timeout: Callable[[], None] | None = None
    before_exit: Callable[[], None] | None = None


class Termination:
    """Handles SIGTERM as the open scopes define.

    A separate thread waits for the signal. Python runs a signal handler only between two bytecodes
    of the main thread, and one boosting round in C++ may take longer than the 120 s until SIGKILL.

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
        self._scopes = [
            Scope(stop_reason=STOPPED, timeout_reason=TIMED_OUT, grace_seconds=grace_seconds)
        ]
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

        If SIGTERM has arrived before, the scope's own ``forward`` is called first.
        """
        with self._lock:
            self._scopes.append(scope)
            already_requested = self.requested.is_set()
        try:
            if already_requested and scope.forward is not None:
                scope.forward()
            yield scope
        finally:
            with self._lock:
                self._scopes.remove(scope)

    def stopping(self, reason: str) -> AbstractContextManager[Scope]:
        """Open a scope whose failure reason is ``reason`` when the process exits at once."""
        return self.scope(Scope(stop_reason=reason))

    def notifying(self, notify: Callable[[], None]) -> AbstractContextManager[Scope]:
        """Open a scope that calls ``notify`` before SIGTERM ends the process."""
        return self.scope(Scope(before_exit=notify))

    def deferred(self) -> AbstractContextManager[Scope]:
        """Open a scope in which SIGTERM ends the process only after the grace period.

        The body checks ``requested`` and ends early; the process then exits in the regular way.
        """
        return self.scope(Scope(deferred=True))

    def optional_work(self) -> AbstractContextManager[Scope]:
        """Open a scope for optional work after the model is saved: the exit status is 0."""
        return self.scope(Scope(deferred=True, on_timeout=lambda: None))

    @property
    def grace_seconds(self) -> float:
        """The grace period: how long deferred work may continue after SIGTERM."""
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
            # A scope that is opened later calls its own ``forward``.
            self.requested.set()
            deferred = any(scope.deferred for scope in self._scopes)
            forward = self._innermost("forward")
        if deferred:
            _attempt(forward, "SIGTERM could not be passed on")
            threading.Event().wait(self.seconds_left)
            if _attempt(
                self._innermost("on_timeout"), "the model trained so far could not be saved"
            ):
                os._exit(0)
            reason = self._innermost("timeout_reason").format(seconds=self.grace_seconds)
        else:
            reason = self._innermost("stop_reason")
        _attempt(self._innermost("before_exit"), "other processes could not be notified of SIGTERM")
        self._report(reason)
        os._exit(EXIT_CODE)


def _attempt(call: Callable[[], None] | None, failure: str) -> bool:
    """Call a function of a scope, and return whether the call succeeded.

    Exceptions are logged and not raised, because the process must exit.
    """
    if call is None:
        return False
    try:
        call()
    except Exception:
        log.exception(failure)
        return False
    return True
