"""Worker processes of one host: one for each GPU.

``train`` starts them (``commands/workers.py``) and describes each one in the environment variable
``TABULAR_WORKER``. Nothing else sets this variable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from tabular.contract.errors import PlatformError
from tabular.contract.hosts import Hosts
from tabular.contract.machine import Machine

VARIABLE = "TABULAR_WORKER"
# Workers of a single host connect by loopback, which exists in every network mode.
LOOPBACK, LOOPBACK_ADDRESS = "lo", "127.0.0.1"


@dataclass(frozen=True)
class Worker:
    """One worker process.

    Attributes
    ----------
    local_rank : int
        The rank among the workers of this host, from 0.
    count : int
        The number of workers on each host; the same for all hosts.
    device : str
        The device to train on, such as ``cuda:0``.
    port : int
        The port on which the workers of a single host gather. 0 for several hosts, which use a
        fixed port.
    report_pipe : int
        The file descriptor of a pipe to the parent process. The worker writes its error there.
    """

    local_rank: int
    count: int
    device: str
    port: int
    report_pipe: int

    @property
    def variables(self) -> dict[str, str]:
        """The environment variable that describes this worker."""
        return {VARIABLE: json.dumps(asdict(self))}

    def share_of(self, machine: Machine) -> Machine:
        """Return this worker's part of the host's processors and memory."""
        return replace(
            machine,
            cpus=max(1, machine.cpus // self.count),
            memory=machine.memory // self.count,
        )

    def expand_hosts(self, hosts: Hosts) -> Hosts:
        """Return the hosts of the job with one entry for each worker, such as ``algo-1.gpu0``."""
        workers = sorted(
            (f"{host}.gpu{local_rank}", host)
            for host in hosts.names
            for local_rank in range(self.count)
        )
        alone = len(hosts.names) == 1
        return replace(
            hosts,
            current=f"{hosts.current}.gpu{self.local_rank}",
            names=tuple(name for name, _ in workers),
            network_interface=LOOPBACK if alone else hosts.network_interface,
            leader_address=LOOPBACK_ADDRESS if alone else workers[0][1],
        )


def read_worker(environ: Mapping[str, str]) -> Worker | None:
    """Read the description of this worker; None in the process that SageMaker started.

    Raises
    ------
    PlatformError
        The variable was not written by ``Worker.variables``.
    """
    text = environ.get(VARIABLE)
    if text is None:
        return None
    try:
        return Worker(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise PlatformError(
            f"the environment variable {VARIABLE} is {text!r:.100}; train sets it for its own "
            "processes: remove it"
        ) from error
