"""What this host has heard from the others, for the threads that wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from tabular.contract.errors import JobError

LOG_SECONDS = 30.0


class Heard:
    """Written by the thread of the control connections, waited for by the main thread.

    Attributes
    ----------
    gathered : bool
        All hosts are there.
    over : bool
        All hosts have done their part.
    """

    def __init__(self, on_failure: Callable[[JobError], None], log: logging.Logger) -> None:
        self.gathered = self.over = False
        self._on_failure = on_failure
        self._log = log
        self._values: dict[str, dict[str, object]] = {}
        self._error: JobError | None = None
        self._muted = self._reporting = False
        self._changed = threading.Condition()

    def wait_for(self, reached: Callable[[], bool], missing: Callable[[], str]) -> None:
        """Block until something is reached, and log every 30 s what is missing.

        Raises
        ------
        JobError
            Another host failed.
        """
        started = time.monotonic()
        with self._changed:
            while not self._changed.wait_for(
                lambda: reached() or self._error is not None, LOG_SECONDS
            ):
                if not self._muted:
                    waited = time.monotonic() - started
                    self._log.info("waiting for %s, %.0f s so far", missing(), waited)
            if self._error is not None:
                raise self._error

    def wait_for_error(self, seconds: float) -> None:
        """Give the other hosts time to say why a connection broke.

        Raises
        ------
        JobError
            They did, and ``on_failure`` has returned.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None, seconds)
            if self._error is not None:
                raise self._error

    def missing(self, name: str, among: Sequence[str]) -> list[str]:
        """Name the hosts that have said nothing under a name yet."""
        return [host for host in among if host not in self._values.get(name, {})]

    def take(self, name: str, among: Sequence[str]) -> list[object]:
        """Take what ``among`` have said under a name, in their order."""
        said = self._values.pop(name)
        return [said[host] for host in among]

    def keep(self, name: str, host: str, value: object) -> None:
        """Note what a host has said under a name."""
        with self._changed:
            self._values.setdefault(name, {})[host] = value
            self._changed.notify_all()

    def all_gathered(self) -> None:
        """Note that all hosts are there."""
        with self._changed:
            self.gathered = True
            self._changed.notify_all()

    def all_over(self) -> None:
        """Note that all hosts have done their part."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def mute(self) -> bool:
        """Report no failure of others any more; False when one is being reported."""
        with self._changed:
            if not self._reporting:
                self._muted = True
            return self._muted

    def will_report(self) -> None:
        """Note that a failure of others has come, unless this host reports its own."""
        with self._changed:
            self._reporting = not self._muted

    def report(self, error: JobError) -> None:
        """Report a failure of others; before all have gathered, whoever waits gets it."""
        if not self._reporting:
            return
        if self.gathered:
            self._on_failure(error)
        with self._changed:
            self._error = error
            self._changed.notify_all()
