"""The control plane of one host: it detects at once that another host has ended.

The main thread may wait inside XGBoost for a host that has died. The kernel closes the
connections of a process that dies; the thread of the control plane detects this and reports the
failure.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from tabular.algorithms.xgboost.training.cluster.config import ClusterConfig
from tabular.algorithms.xgboost.training.cluster.connection import PeerConnection
from tabular.algorithms.xgboost.training.cluster.event_loop import EventLoop
from tabular.algorithms.xgboost.training.cluster.messages import (
    Failure,
    Message,
    ProtocolError,
    encode,
)
from tabular.algorithms.xgboost.training.cluster.peer_state import PeerState
from tabular.contract.errors import JobError, PlatformError
from tabular.contract.hosts import Hosts

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
# After this silence the log has a warning; a paused container may be silent.
QUIET_SECONDS = 60.0
# StopTrainingJob sends SIGTERM to all hosts, but not at the same moment. A host that learns of the
# end of another waits this long for its own SIGTERM.
STOP_SECONDS = 15.0
# How long a last message may take to reach the other hosts; a paused host never reads it.
EXIT_SECONDS = 3.0


class ControlPlane(EventLoop):
    """What the control planes of the leader and of the members have in common.

    Parameters
    ----------
    on_failure : Callable[[JobError], None]
        Called in the thread when another host failed or died after all hosts were present. It
        should report the error and end the process. If it returns, the threads that wait get the
        error.

    Attributes
    ----------
    peers : PeerState
        What the other hosts have sent.
    suspected : (float, Failure) or None
        When to end the job because of a host that may have been stopped by SIGTERM, and the
        failure.
    """

    def __init__(
        self, hosts: Hosts, config: ClusterConfig, on_failure: Callable[[JobError], None]
    ) -> None:
        super().__init__()
        self.hosts = hosts
        self.config = config
        self.peers = PeerState(on_failure)
        self.suspected: tuple[float, Failure] | None = None
        self.failure: Failure | None = None
        self._stopping: set[str] = set()
        self._ticked_at = self._heartbeat_at = time.monotonic()

    # Called by other threads.

    def send_value(self, name: str, group: Sequence[str], value: object, line: bytes) -> None:
        """Send this host's value of the allgather ``name`` to a group; ``line`` is the message."""
        self.peers.add_value(name, self.hosts.current, value)
        self.call_soon(lambda: self.forward(group, self.hosts.current, line))

    def finish(self) -> None:
        """Announce that this host has finished, and wait until all hosts have."""
        self.call_soon(self.on_finished)
        self.peers.wait_until(lambda: self.peers.all_finished, self.unfinished_hosts)
        self.join(2 * EXIT_SECONDS)

    def announce_failure(self, failure: Failure) -> None:
        """Tell the other hosts why this host ends, and wait for some seconds until they know.

        Raises
        ------
        JobError
            Another host failed before, and ``on_failure`` has returned: its failure is the cause.
        """
        if self.peers.ignore_failures():
            self.call_soon(lambda: self.send_last(failure.line))
            self.join(2 * EXIT_SECONDS)
        else:
            self.peers.wait_for_failure(2 * EXIT_SECONDS)

    def announce_stop(self) -> None:
        """Tell the other hosts that SIGTERM ends this host."""
        self.peers.ignore_failures()
        self.call_soon(lambda: self.send_last(encode("stopping", host=self.hosts.current)))
        self.join(EXIT_SECONDS)

    @property
    def local_address(self) -> str:
        """The address of this host on a connection to another host."""
        address: str = self.connections[0].socket.getsockname()[0]
        return address

    # The leader and the members override these.

    def absent_hosts(self) -> Sequence[str]:
        """List the hosts that are not connected yet."""
        raise NotImplementedError

    def unfinished_hosts(self) -> str:
        """Name the hosts that have not finished, for the log."""
        raise NotImplementedError

    def forward(self, group: Sequence[str], sender: str, line: bytes) -> None:
        """Send a message of the host ``sender`` to the other hosts of a group."""
        raise NotImplementedError

    def on_finished(self) -> None:
        """Note that this host has finished."""
        raise NotImplementedError

    # Called in the thread.

    def on_message(self, connection: PeerConnection, message: Message) -> None:
        """Handle a message that both the leader and the members get."""
        match message["type"]:
            case "alive":
                pass
            case "value":
                if self.hosts.current in message["among"]:
                    self.peers.add_value(message["name"], message["host"], message["value"])
            case "stopping":
                self._stopping.add(message["host"])
                log.info("host %s was stopped by SIGTERM", message["host"])
            case "failed":
                reason = " ".join(message["reason"].split())
                self.end_job(Failure(message["host"], message["kind"], reason))
            case other:
                raise ProtocolError(f"'{other}', which is not expected here")

    def on_host_lost(self, host: str, connection: PeerConnection) -> None:
        """Find out why a host ended that has announced no reason."""
        title = f"{host} (the leader)" if host == self.hosts.leader else host
        if host in self._stopping:
            self.suspect(self.platform_failure(f"host {title} was stopped by SIGTERM", host))
        elif connection.end_reason == "closed":
            ended = self.platform_failure(
                f"host {title} ended without a word: killed, or out of memory; see its log, and "
                "use an instance type with more memory if it ran out of memory",
                host,
            )
            if self.peers.all_present:
                self.end_job(ended)
            else:
                # Before all hosts are present, SIGTERM ends a host without an announcement: this
                # host may get SIGTERM in a moment.
                self.suspect(ended)
        else:
            reason = f"host {title} was lost: {connection.end_reason}"
            self.end_job(self.platform_failure(reason, host))

    def suspect(self, failure: Failure) -> None:
        """End the job after ``STOP_SECONDS``, unless SIGTERM ends this host before."""
        self.suspected = self.suspected or (time.monotonic() + STOP_SECONDS, failure)

    def end_job(self, failure: Failure) -> None:
        """End the job on this host; only the first failure counts."""
        if self.exit_deadline is None:
            self.failure = failure
            self.peers.begin_report()
            self.send_last(failure.line)

    def platform_failure(self, reason: str, host: str = "") -> Failure:
        """Return a failure that the customer did not cause."""
        return Failure(host or self.hosts.current, PlatformError.kind, reason)

    def send_last(self, line: bytes) -> None:
        """Send a last message to all hosts; the thread ends once they have closed."""
        if self.exit_deadline is None:
            self.exit_deadline = time.monotonic() + EXIT_SECONDS
            self.send_all(line)

    def send_all(self, line: bytes) -> None:
        """Send a message on every connection whose host is known."""
        for connection in self.connections:
            if connection.host:
                connection.send(line)

    def on_tick(self, now: float) -> None:
        """Send heartbeats, and look for hosts that have been silent for too long."""
        if now - self._ticked_at > 2 * HEARTBEAT_SECONDS:
            # This process was paused and did not read: the other hosts may have sent messages.
            for connection in self.connections:
                connection.received_at = now
        self._ticked_at = now
        if self.exit_deadline is not None:
            return
        if now - self._heartbeat_at >= HEARTBEAT_SECONDS:
            self._heartbeat_at = now
            self.send_all(encode("alive"))
        for connection in self.connections:
            if connection.host:
                self.check_silence(connection, now - connection.received_at)
        if self.suspected is not None and now >= self.suspected[0]:
            self.end_job(self.suspected[1])

    def check_silence(self, connection: PeerConnection, seconds: float) -> None:
        """End the job if a host has sent nothing for too long; warn before."""
        most = self.config.most_silence_seconds
        if seconds >= most:
            # The silent host gets the message too: it may only have been paused.
            self.end_job(
                self.platform_failure(
                    f"host {connection.host} has said nothing for {seconds:.0f} s: it is paused, "
                    "or cut off from the network; cluster_timeout sets how long hosts wait, up to "
                    "600 s",
                    connection.host,
                )
            )
        elif seconds >= QUIET_SECONDS and not connection.silence_logged:
            connection.silence_logged = True
            log.warning(
                "host %s has said nothing for %.0f s: it may be paused. The job ends after %.0f s",
                connection.host,
                seconds,
                most,
            )

    def on_exit(self, error: Exception | None) -> None:
        """Report the failure; the other hosts have been told."""
        if error is not None:
            reason = f"{type(error).__name__}: {error} (control connection)"
            self.failure = self.platform_failure(reason)
            self.peers.begin_report()
        if self.failure is not None:
            self.peers.report(self.failure.error)
