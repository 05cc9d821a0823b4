"""What the other hosts have sent: presence, values and failures, for the threads that wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from tabular.contract.errors import JobError

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0


class PeerState:
    """The state of the other hosts, as this host knows it.

    The thread of the control plane updates the state, and the main thread waits for changes.

    Parameters
    ----------
    on_failure : Callable[[JobError], None]
        Called with a failure of another host, once all hosts are present.

    Attributes
    ----------
    all_present : bool
        All hosts are connected.
    all_finished : bool
        All hosts have finished their part of the job.
    """

    def __init__(self, on_failure: Callable[[JobError], None]) -> None:
        self.all_present = self.all_finished = False
        self._on_failure = on_failure
        self._values: dict[str, dict[str, object]] = {}
        self._error: JobError | None = None
        self._ignore_failures = self._reporting = False
        self._changed = threading.Condition()

    # Called by threads that wait.

    def wait_until(self, condition: Callable[[], bool], missing: Callable[[], str]) -> None:
        """Block until a condition holds.

        Parameters
        ----------
        missing : Callable[[], str]
            Describes what is missing; logged every 30 s.

        Raises
        ------
        JobError
            Another host failed.
        """
        started = time.monotonic()
        with self._changed:
            while not self._changed.wait_for(
                lambda: condition() or self._error is not None, LOG_SECONDS
            ):
                if not self._ignore_failures:
                    waited = time.monotonic() - started
                    log.info("waiting for %s, %.0f s so far", missing(), waited)
            if self._error is not None:
                raise self._error

    def wait_for_failure(self, seconds: float) -> None:
        """Give another host time to announce why it failed; returns if none does.

        Raises
        ------
        JobError
            Another host failed, and ``on_failure`` has returned.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None, seconds)
            if self._error is not None:
                raise self._error

    def missing_hosts(self, name: str, group: Sequence[str]) -> list[str]:
        """List the hosts of a group whose value of the allgather ``name`` has not come."""
        return [host for host in group if host not in self._values.get(name, {})]

    def take_values(self, name: str, group: Sequence[str]) -> list[object]:
        """Remove and return the values of the allgather ``name``, in the order of the group."""
        values = self._values.pop(name)
        return [values[host] for host in group]

    def ignore_failures(self) -> bool:
        """Stop reporting failures of other hosts; return False if a failure is being reported."""
        with self._changed:
            if not self._reporting:
                self._ignore_failures = True
            return self._ignore_failures

    # Called by the thread of the control plane.

    def add_value(self, name: str, host: str, value: object) -> None:
        """Add the value of one host to the allgather ``name``."""
        with self._changed:
            self._values.setdefault(name, {})[host] = value
            self._changed.notify_all()

    def set_all_present(self) -> None:
        """Note that all hosts are connected."""
        with self._changed:
            self.all_present = True
            self._changed.notify_all()

    def set_all_finished(self) -> None:
        """Note that all hosts have finished."""
        with self._changed:
            self.all_finished = True
            self._changed.notify_all()

    def begin_report(self) -> None:
        """Reserve the only report of this process for a failure of another host.

        Has no effect if this host is announcing its own failure.
        """
        with self._changed:
            self._reporting = not self._ignore_failures

    def report(self, error: JobError) -> None:
        """Report a failure of another host, if ``begin_report`` has reserved the report.

        Before all hosts are present, only the threads that wait get the error.
        """
        if not self._reporting:
            return
        if self.all_present:
            self._on_failure(error)
        with self._changed:
            self._error = error
            self._changed.notify_all()
