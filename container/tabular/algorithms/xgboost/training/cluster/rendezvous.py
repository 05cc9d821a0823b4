"""Wait until all hosts of a job are connected."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from tabular.algorithms.xgboost.training.cluster.config import CONTROL_PORT, ClusterConfig
from tabular.algorithms.xgboost.training.cluster.control import ControlPlane
from tabular.algorithms.xgboost.training.cluster.leader import Leader
from tabular.algorithms.xgboost.training.cluster.member import Member
from tabular.algorithms.xgboost.training.cluster.messages import shortened
from tabular.algorithms.xgboost.training.cluster.multi_host import MultiHostCluster
from tabular.algorithms.xgboost.training.cluster.network import connect, listen
from tabular.algorithms.xgboost.training.cluster.single_host import Cluster
from tabular.contract.errors import JobError
from tabular.contract.hosts import Hosts

log = logging.getLogger(__name__)

# How long a host that fails before the rendezvous waits for the others, to tell them why. Hosts
# of a job start within seconds of each other.
ANNOUNCE_SECONDS = 30.0


def rendezvous(
    hosts: Hosts, config: ClusterConfig, on_failure: Callable[[JobError], None]
) -> Cluster:
    """Connect with the other hosts, and wait until all hosts of the job are present.

    Call it before any work that can fail or that takes long: the others wait for this host.

    Parameters
    ----------
    on_failure : Callable[[JobError], None]
        Called later, in another thread, when another host fails or dies. It must write the
        failure file and end the process (``os._exit``): the main thread may hang in XGBoost.

    Returns
    -------
    Cluster
        A context manager; see ``Cluster``.

    Raises
    ------
    PlatformError
        Hosts did not connect in time, a host connected and ended, the port is in use, or the
        leader refused this host.
    JobError
        Another host failed, and said why.
    """
    if len(hosts.names) == 1:
        return Cluster(hosts)
    limit = f"up to {config.timeout_seconds:.0f} s, {config.timeout_setting}"
    control: ControlPlane
    if hosts.current == hosts.leader:
        listener = listen(hosts.network_interface, config.port)
        control = Leader(hosts, config, on_failure, listener)
        absent = shortened(control.absent_hosts())
        log.info("waiting for %s on port %d (%s)", absent, config.port, limit)
    else:
        control = Member(hosts, config, on_failure, connect(hosts, config))
        log.info("connected with %s, waiting for the other hosts (%s)", hosts.leader, limit)
    control.start()
    control.peers.wait_until(
        lambda: control.peers.all_present,
        lambda: f"{shortened(control.absent_hosts())} ({limit})",
    )
    log.info("all %d hosts are there: %s", len(hosts.names), shortened(hosts.names))
    return MultiHostCluster(hosts, config, control)


def announce_failure(
    hosts: Hosts,
    error: JobError,
    *,
    port: int = CONTROL_PORT,
    seconds: float = ANNOUNCE_SECONDS,
) -> None:
    """Tell the other hosts why this host fails before the rendezvous.

    Without this announcement they would wait for this host until ``cluster_timeout``. Hosts that do
    not connect within ``seconds`` are not told.
    """
    if len(hosts.names) == 1:
        return
    config = ClusterConfig(seconds, port)
    # The other hosts did not connect, or failed as well: this host reports its own error.
    with suppress(JobError):
        rendezvous(hosts, config, lambda _: None).announce_failure(error)
