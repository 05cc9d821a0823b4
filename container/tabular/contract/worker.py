"""One of several processes of a job on one host, each with a GPU of its own.

``train`` starts them (``commands/workers.py``) and tells each which one it is in the environment
variable ``TABULAR_WORKER``, which nobody else sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from tabular.contract.errors import PlatformError
from tabular.contract.hosts import Hosts
from tabular.contract.machine import Machine

VARIABLE = "TABULAR_WORKER"
# Workers of a single host reach each other here, whatever network the container has.
LOOPBACK, LOOPBACK_ADDRESS = "lo", "127.0.0.1"


@dataclass(frozen=True)
class Worker:
    """Which one a process is.

    Attributes
    ----------
    place : int
        From 0, among the workers of this host.
    count : int
        How many workers every host has.
    device : str
        What it trains on, ``cuda:0``.
    port : int
        On which the workers of a single host gather; 0 with several hosts, which have a fixed one.
    report : int
        The descriptor of a pipe, into which it says why it failed.
    """

    place: int
    count: int
    device: str
    port: int
    report: int

    @property
    def variables(self) -> dict[str, str]:
        """What the process finds in its environment."""
        return {VARIABLE: json.dumps(asdict(self))}

    def share_of(self, machine: Machine) -> Machine:
        """Give this worker its part of the host's processors and memory."""
        return replace(
            machine,
            cpus=max(1, machine.cpus // self.count),
            memory=machine.memory // self.count,
        )

    def among(self, hosts: Hosts) -> Hosts:
        """Make every worker of every host what a host is to the cluster: ``algo-1.gpu0``."""
        workers = sorted(
            (f"{host}.gpu{place}", host) for host in hosts.names for place in range(self.count)
        )
        alone = len(hosts.names) == 1
        return replace(
            hosts,
            current=f"{hosts.current}.gpu{self.place}",
            names=tuple(name for name, _ in workers),
            network_interface=LOOPBACK if alone else hosts.network_interface,
            leader_address=LOOPBACK_ADDRESS if alone else workers[0][1],
        )


def read_worker(environ: Mapping[str, str]) -> Worker | None:
    """Read which worker this process is; None when it is the one that was started by SageMaker.

    Raises
    ------
    PlatformError
        The variable is not what ``Worker.variables`` wrote.
    """
    text = environ.get(VARIABLE)
    if text is None:
        return None
    try:
        return Worker(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise PlatformError(
            f"the environment variable {VARIABLE} is {text!r:.100}; train sets it for its own "
            "processes: leave it out"
        ) from error
