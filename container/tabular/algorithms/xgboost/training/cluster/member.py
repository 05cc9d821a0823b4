"""The control plane of a host that is not the leader: one connection, to the leader."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tabular.algorithms.xgboost.training.cluster.config import ClusterConfig
from tabular.algorithms.xgboost.training.cluster.connection import PeerConnection
from tabular.algorithms.xgboost.training.cluster.control import ControlPlane
from tabular.algorithms.xgboost.training.cluster.messages import Message, encode
from tabular.contract.errors import JobError
from tabular.contract.hosts import Hosts


class Member(ControlPlane):
    """The control plane of a host that is not the leader.

    Parameters
    ----------
    connection : PeerConnection
        The connection to the leader.
    """

    def __init__(
        self,
        hosts: Hosts,
        config: ClusterConfig,
        on_failure: Callable[[JobError], None],
        connection: PeerConnection,
    ) -> None:
        super().__init__(hosts, config, on_failure)
        self._absent = ["the other hosts"]
        connection.identify(hosts.leader, config.most_silence_seconds)
        self.add_connection(connection)

    def absent_hosts(self) -> list[str]:
        """List the hosts that are not connected yet, as the leader has sent them."""
        return self._absent

    def unfinished_hosts(self) -> str:
        """Describe the hosts that have not finished; only the leader knows their names."""
        return "the other hosts to end"

    def on_message(self, connection: PeerConnection, message: Message) -> None:
        """Handle a message of the leader."""
        match message["type"]:
            case "waiting":
                self._absent = [str(host) for host in message["hosts"]]
            case "gathered":
                self.peers.set_all_present()
            case "over":
                self.exit_deadline = time.monotonic()
                self.peers.set_all_finished()
            case _:
                super().on_message(connection, message)

    def forward(self, group: Sequence[str], sender: str, line: bytes) -> None:
        """Send a message of this host to the leader, which forwards it."""
        self.send_all(line)

    def on_disconnect(self, connection: PeerConnection) -> None:
        """End the job: it needs the leader."""
        self.on_host_lost(connection.host, connection)

    def send_last(self, line: bytes) -> None:
        """Send a last message to the leader, unless another host's failure ends the job.

        The leader already knows the failures of other hosts.
        """
        if self.failure is None:
            super().send_last(line)
        elif self.exit_deadline is None:
            self.exit_deadline = time.monotonic()

    def on_finished(self) -> None:
        """Tell the leader that this host has finished."""
        self.send_all(encode("done"))
