"""The control plane of the leader: it waits for the other hosts, and forwards their messages."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

from tabular.algorithms.xgboost.training.cluster.config import ClusterConfig
from tabular.algorithms.xgboost.training.cluster.connection import PeerConnection
from tabular.algorithms.xgboost.training.cluster.control import ControlPlane
from tabular.algorithms.xgboost.training.cluster.messages import (
    REASON_CHARACTERS,
    Message,
    ProtocolError,
    encode,
    shortened,
)
from tabular.contract.errors import JobError
from tabular.contract.hosts import Hosts

log = logging.getLogger(__name__)

# A host sends its name as soon as it is connected; a port scanner does not.
HELLO_SECONDS = 10.0
# The largest number of open connections that have not sent a host's name.
MOST_UNNAMED = 64


class Leader(ControlPlane):
    """The control plane of the leader.

    Parameters
    ----------
    listener : socket
        Where the other hosts connect; closed once all are present.
    """

    def __init__(
        self,
        hosts: Hosts,
        config: ClusterConfig,
        on_failure: Callable[[JobError], None],
        listener: socket.socket,
    ) -> None:
        super().__init__(hosts, config, on_failure)
        self._deadline = time.monotonic() + config.timeout_seconds
        self._finished: set[str] = set()
        self.start_listening(listener)

    def absent_hosts(self) -> list[str]:
        """List the hosts that are not connected yet."""
        present = {self.hosts.current, *(connection.host for connection in self.connections)}
        return [name for name in self.hosts.names if name not in present]

    def unfinished_hosts(self) -> str:
        """Name the hosts that have not finished, for the log."""
        return shortened(name for name in self.hosts.names if name not in self._finished)

    def on_accept(self, sock: socket.socket, address: str) -> None:
        """Add a connection; it has ``HELLO_SECONDS`` to say which host it is."""
        if sum(not connection.host for connection in self.connections) >= MOST_UNNAMED:
            sock.close()
            return
        self.add_connection(PeerConnection(sock, address))

    def on_message(self, connection: PeerConnection, message: Message) -> None:
        """Handle a message of a host, or the first message of a new connection."""
        kind = message["type"]
        if not connection.host:
            if kind != "hello":
                raise ProtocolError(f"'{kind}' before a host's name")
            self._on_hello(connection, message)
            return
        if message.get("host", connection.host) != connection.host:
            raise ProtocolError(f"'{kind}' of another host than {connection.host}")
        if kind == "done":
            self._set_finished(connection.host)
            return
        if kind == "failed":
            message["reason"] = message["reason"][:REASON_CHARACTERS]
        super().on_message(connection, message)
        if kind == "value":
            self.forward(message["among"], connection.host, _encode(message))
        elif kind == "stopping":
            self.send_all(_encode(message))

    def forward(self, group: Sequence[str], sender: str, line: bytes) -> None:
        """Send a message of the host ``sender`` to the other hosts of a group."""
        for connection in self.connections:
            if connection.host in group and connection.host != sender:
                connection.send(line)

    def on_disconnect(self, connection: PeerConnection) -> None:
        """End the job if the host of the connection has not finished."""
        if not connection.host:
            log.warning("dropped a connection of %s: %s", connection.address, connection.end_reason)
        elif connection.host not in self._finished:
            self.on_host_lost(connection.host, connection)

    def check_silence(self, connection: PeerConnection, seconds: float) -> None:
        """End the job if a host has sent nothing for too long, unless it has finished."""
        if connection.host not in self._finished:
            super().check_silence(connection, seconds)

    def on_tick(self, now: float) -> None:
        """Drop connections that send no name, and end the job if hosts do not connect in time."""
        super().on_tick(now)
        if self.peers.all_present or self.exit_deadline is not None:
            return
        for connection in list(self.connections):
            if not connection.host and now - connection.opened_at > HELLO_SECONDS:
                connection.end_reason = f"it sent no host's name within {HELLO_SECONDS:.0f} s"
                self.drop_connection(connection)
        if now >= self._deadline:
            absent = self.absent_hosts()
            self.end_job(
                self.platform_failure(
                    f"host{'s' * (len(absent) > 1)} {shortened(absent)} did not come within "
                    f"{self.config.timeout_seconds:.0f} s; see their logs, or let the others wait "
                    f"longer with {self.config.timeout_setting}",
                    absent[0],
                )
            )

    def on_finished(self) -> None:
        """Note that the leader itself has finished."""
        self._set_finished(self.hosts.current)

    def _on_hello(self, connection: PeerConnection, message: Message) -> None:
        host, names = message["host"], self.hosts.names
        if host not in names or message["hosts"] != list(names):
            refusal = (
                f"its hosts are {shortened(map(str, message['hosts']))}, here they are "
                f"{shortened(names)}; resourceconfig.json must name the same on every host"
            )
        elif host not in self.absent_hosts():
            refusal = "a host of that name is here already"
        else:
            connection.identify(host, self.config.most_silence_seconds)
            connection.send(encode("welcome"))
            if self.suspected is not None and self.suspected[1].host == host:
                self.suspected = None  # the host was started again
            present = len(names) - len(self.absent_hosts())
            log.info("host %s is there, %d of %d", host, present, len(names))
            self._check_all_present()
            return
        connection.send(encode("refused", reason=refusal))
        connection.end_reason = f"refused as {host[:64]}: {refusal}"

    def _check_all_present(self) -> None:
        absent = self.absent_hosts()
        if absent:
            self.send_all(encode("waiting", hosts=absent))
            return
        self.stop_listening()
        for connection in [each for each in self.connections if not each.host]:
            connection.end_reason = "all hosts are there"
            self.drop_connection(connection)
        self.send_all(encode("gathered"))
        self.peers.set_all_present()

    def _set_finished(self, host: str) -> None:
        self._finished.add(host)
        if self._finished.issuperset(self.hosts.names):
            self.send_last(encode("over"))
            self.peers.set_all_finished()


def _encode(message: Message) -> bytes:
    fields = {name: value for name, value in message.items() if name != "type"}
    return encode(message["type"], **fields)
