"""One host's end of the control connections: hear at once when another host ends.

The main thread may be deep in XGBoost, waiting for a host that is no more. The thread here is
told within moments (the kernel closes the connections of a process that dies), and calls back.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

from tabular.algorithms.xgboost.training.cluster.heard import Heard
from tabular.algorithms.xgboost.training.cluster.loop import Loop
from tabular.algorithms.xgboost.training.cluster.messages import (
    MESSAGE_BYTES,
    Failure,
    GarbageError,
    Link,
    Message,
    encode,
)
from tabular.contract.errors import JobError, PlatformError

HEARTBEAT_SECONDS = 5.0
# A silence worth a line in the log: a paused container.
QUIET_SECONDS = 60.0
# StopTrainingJob sends SIGTERM to all hosts, but not in the same moment: a host that hears of
# another's gets its own before this is over.
STOP_SECONDS = 15.0
# Last words must reach the others before this process ends; a paused host can't hear them.
LEAVE_SECONDS = 3.0


class Control(Loop):
    """What the leader and the other hosts do alike.

    Parameters
    ----------
    me : str
        This host.
    names : sequence of str
        All hosts, the leader first.
    on_failure : Callable[[JobError], None]
        Called in the thread when another host failed or died after all have gathered. It is
        meant to report and end the process; when it returns, whoever waits gets the error.
    silence_seconds : float
        A host that says nothing for so long is taken for dead.
    """

    def __init__(
        self,
        me: str,
        names: Sequence[str],
        on_failure: Callable[[JobError], None],
        silence_seconds: float,
        log: logging.Logger,
    ) -> None:
        super().__init__(log)
        self.me = me
        self.names = names
        self.heard = Heard(on_failure, log)
        self._silence_seconds = silence_seconds
        self._stopping: set[str] = set()
        self.suspected: tuple[float, Failure] | None = None
        self._verdict: Failure | None = None
        self._ticked = self._sent_heartbeat = time.monotonic()

    # From the other threads.

    def say(self, name: str, among: Sequence[str], value: object, line: bytes) -> None:
        """Say something to ``among`` under a name; ``line`` is the message that holds it."""
        self.heard.keep(name, self.me, value)
        self.post(lambda: self.pass_on(among, self.me, line))

    def finish(self) -> None:
        """Say that this host has done its part, and wait until all have."""
        self.post(self.finished)
        self.heard.wait_for(lambda: self.heard.over, self.unfinished)
        self.join(2 * LEAVE_SECONDS)

    def fail(self, failure: Failure) -> None:
        """Tell the others why this host ends; return when they know, or can't be told.

        Raises
        ------
        JobError
            Another host failed before, which is the reason, and ``on_failure`` has returned.
        """
        if self.heard.mute():
            self.post(lambda: self.leave_with(failure.line))
            self.join(2 * LEAVE_SECONDS)
        else:
            self.heard.wait_for_error(2 * LEAVE_SECONDS)

    @property
    def local_address(self) -> str:
        """The address of this host on a connection to another."""
        address: str = self.links[0].connection.getsockname()[0]
        return address

    def stop(self) -> None:
        """Tell the others that this host ends because of SIGTERM."""
        self.heard.mute()
        self.post(lambda: self.leave_with(encode("stopping", host=self.me)))
        self.join(LEAVE_SECONDS)

    # In the thread, where the leader and the others differ.

    def pass_on(self, among: Sequence[str], speaker: str, line: bytes) -> None:
        """Send what a host says to those whom it tells."""
        raise NotImplementedError

    def finished(self) -> None:
        """Note that this host has done its part."""
        raise NotImplementedError

    def unfinished(self) -> str:
        """Name those who have not done their part, for the log."""
        raise NotImplementedError

    # In the thread.

    def handle(self, link: Link, message: Message) -> None:
        """Act on what both the leader and the others are told."""
        match message["type"]:
            case "alive":
                pass
            case "value":
                if self.me in message["among"]:
                    self.heard.keep(message["name"], message["host"], message["value"])
            case "stopping":
                self._stopping.add(message["host"])
                self.log.info("host %s was stopped by SIGTERM", message["host"])
            case "failed":
                reason = " ".join(message["reason"].split())
                self.judge(Failure(message["host"], message["kind"], reason))
            case other:
                raise GarbageError(f"'{other}' out of place")

    def gone(self, host: str, link: Link) -> None:
        """Find the reason why a host is gone that has not said one."""
        title = f"{host} (the leader)" if host == self.names[0] else host
        if host in self._stopping:
            self.suspect(self.failure(f"host {title} was stopped by SIGTERM", host))
        elif link.lost == "closed":
            reason = (
                f"host {title} ended without a word: killed, or out of memory; see its log, and "
                "take an instance type with more memory if that was short"
            )
            ended = self.failure(reason, host)
            # Before all are there nothing says goodbye at SIGTERM; ours may be on its way.
            (self.judge if self.heard.gathered else self.suspect)(ended)
        else:
            self.judge(self.failure(f"host {title} was lost: {link.lost}", host))

    def suspect(self, failure: Failure) -> None:
        """Judge in a while, unless SIGTERM ends this host too until then."""
        self.suspected = self.suspected or (time.monotonic() + STOP_SECONDS, failure)

    def judge(self, failure: Failure) -> None:
        """End the job on this host; the first reason is the reason."""
        if self.leave_by is None:
            self._verdict = failure
            self.heard.will_report()
            self.leave_with(failure.line)

    def failure(self, reason: str, host: str = "") -> Failure:
        """Write a failure that is not the customer's."""
        return Failure(host or self.me, PlatformError.kind, reason)

    def leave_with(self, line: bytes, seconds: float = LEAVE_SECONDS) -> None:
        """Say a last thing to all, then end the thread once they have closed."""
        if self.leave_by is None:
            self.leave_by = time.monotonic() + seconds
            self.send_all(line)

    def send_all(self, line: bytes) -> None:
        """Send a message on every connection whose other end is known."""
        for link in self.links:
            if link.host:
                link.send(line)

    def welcome(self, link: Link, host: str) -> None:
        """Know who is at the other end, and trust it with long messages."""
        link.host = host
        link.limit = MESSAGE_BYTES + (1 << 20)
        connection = link.connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            # An outage of the network is no death sooner than silence is.
            milliseconds = int(self._silence_seconds * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def tick(self, now: float) -> None:
        """Send heartbeats, and judge who has been silent for too long."""
        if now - self._ticked > 2 * HEARTBEAT_SECONDS:
            # It was this process that did not listen (paused): the others are not to blame.
            for link in self.links:
                link.heard = now
        self._ticked = now
        if self.leave_by is not None:
            return
        if now - self._sent_heartbeat >= HEARTBEAT_SECONDS:
            self._sent_heartbeat = now
            self.send_all(encode("alive"))
        for link in self.links:
            if link.host:
                self.silent(link, now - link.heard)
        if self.suspected is not None and now >= self.suspected[0]:
            self.judge(self.suspected[1])

    def silent(self, link: Link, seconds: float) -> None:
        """Take a host for dead that has said nothing for too long."""
        if seconds >= self._silence_seconds:
            # It is told as well: it may only have been paused.
            self.judge(
                self.failure(
                    f"host {link.host} has said nothing for {seconds:.0f} s: it is paused, or cut "
                    "off from the network; cluster_timeout sets how long hosts wait, up to 600 s",
                    link.host,
                )
            )
        elif seconds >= QUIET_SECONDS and not link.quiet:
            link.quiet = True
            self.log.warning(
                "host %s has said nothing for %.0f s: paused? It is given up after %.0f s",
                link.host,
                seconds,
                self._silence_seconds,
            )

    def left(self, error: Exception | None) -> None:
        """Report, now that the others know."""
        if error is not None:
            self._verdict = self.failure(f"{type(error).__name__}: {error} (control connection)")
            self.heard.will_report()
        if self._verdict is not None:
            self.heard.report(self._verdict.error)
