"""The hosts of a job with several hosts, connected by the control plane."""

from __future__ import annotations

import itertools
import json
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tabular.algorithms.xgboost.training.cluster.config import ClusterConfig
from tabular.algorithms.xgboost.training.cluster.control import ControlPlane
from tabular.algorithms.xgboost.training.cluster.messages import (
    MESSAGE_BYTES,
    Failure,
    encode,
    shortened,
)
from tabular.algorithms.xgboost.training.cluster.network import address_of
from tabular.algorithms.xgboost.training.cluster.single_host import Cluster
from tabular.contract.errors import JobError, PlatformError, UserError
from tabular.contract.hosts import Hosts
from tabular.contract.machine import out_of_memory_message

log = logging.getLogger(__name__)


class MultiHostCluster(Cluster):
    """Several hosts, all of which are connected; see ``Cluster`` for the methods."""

    def __init__(self, hosts: Hosts, config: ClusterConfig, control: ControlPlane) -> None:
        super().__init__(hosts)
        self._config = config
        self._control = control
        self._allgathers = itertools.count(1)
        self._collectives = itertools.count(1)
        self._exit_code = PlatformError.exit_code

    def allgather(self, value: object, what: str = "what it has read") -> list[object]:
        """Return the values of all hosts, in rank order; see ``Cluster.allgather``."""
        name = f"exchange {next(self._allgathers)}"
        return self._allgather(name, self.hosts.names, value, what)

    @contextmanager
    def collective(self, participants: Sequence[str]) -> Iterator[None]:
        """Join XGBoost's collective; see ``Cluster.collective``."""
        group = sorted(participants)
        if len(group) == 1:
            yield
            return
        # Imports XGBoost.
        from tabular.algorithms.xgboost.training.cluster.communicator import (
            ProcessGroup,
            communicator,
        )

        number = next(self._collectives)
        steps = itertools.count(1)

        def allgather(value: object) -> list[object]:
            name = f"collective {number} step {next(steps)} of {' '.join(group)}"
            return self._allgather(name, group, value, "its part of the training")

        process_group = ProcessGroup(
            hosts=group,
            rank=group.index(self.hosts.current),
            address=address_of(self.hosts.network_interface) or self._control.local_address,
            tracker_port=self._config.tracker_port,
            allgather=allgather,
            wait_for_failure=self._control.peers.wait_for_failure,
            exit_code=lambda: self._exit_code,
        )
        log.info("training with %s, rank %d", shortened(group), process_group.rank)
        with communicator(process_group):
            yield

    def wait_for_end(self) -> None:
        """Wait until all hosts have finished; see ``Cluster.wait_for_end``."""
        log.info("host %s takes no part: waiting for the others", self.hosts.current)
        self.close()

    def close(self) -> None:
        """Announce that this host has finished; see ``Cluster.close``."""
        self._control.finish()

    def announce_failure(self, error: BaseException) -> None:
        """Tell the other hosts why this host ends; see ``Cluster.announce_failure``."""
        current = self.hosts.current
        kind, message, self._exit_code = _describe(error, current)
        self._control.announce_failure(Failure(current, kind, f"host {current} failed: {message}"))

    def announce_stop(self) -> None:
        """Tell the other hosts that SIGTERM ends this host; see ``Cluster.announce_stop``."""
        self._control.announce_stop()

    def _allgather(self, name: str, group: Sequence[str], value: object, what: str) -> list[object]:
        current = self.hosts.current
        line = encode("value", host=current, name=name, among=list(group), value=value)
        if len(line) > MESSAGE_BYTES:
            raise UserError(
                f"host {current} has {len(line) >> 20} MiB to tell the others about its columns, "
                f"expected at most {MESSAGE_BYTES >> 20}; leave out columns of text with many "
                "different values"
            )
        peers = self._control.peers
        # This host reads its own value from JSON too, so that all hosts have equal values.
        self._control.send_value(name, group, json.loads(line)["value"], line)
        peers.wait_until(
            lambda: not peers.missing_hosts(name, group),
            lambda: f"{shortened(peers.missing_hosts(name, group))} ({what})",
        )
        return peers.take_values(name, group)


def _describe(error: BaseException, host: str) -> tuple[str, str, int]:
    """Return the kind, the message and the exit code of a failure."""
    if isinstance(error, JobError):
        return error.kind, str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return PlatformError.kind, "interrupted", 128 + signal.SIGINT
    message = out_of_memory_message(error)
    if not message:
        text = str(error).partition("Stack trace")[0].strip()  # of XGBoost's C++ code
        message = (
            f"{type(error).__name__}: {text} (unexpected; the log of {host} has the traceback)"
        )
    return PlatformError.kind, message, PlatformError.exit_code
