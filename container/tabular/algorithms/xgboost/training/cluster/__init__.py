"""Several hosts: they gather, agree, train together, and end together.

XGBoost's collective leaves the hosts of a job hanging, or aborts them, when one of them is late
or dies. So each host keeps a connection of its own to the leader for the whole job; who is
there, who failed and why goes over it, and XGBoost's time-outs are as good as off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from tabular.algorithms.xgboost.training.cluster.control import Control
from tabular.algorithms.xgboost.training.cluster.gathering import address_of, connect, listen
from tabular.algorithms.xgboost.training.cluster.messages import shortened
from tabular.algorithms.xgboost.training.cluster.roles import Leader, Member
from tabular.algorithms.xgboost.training.cluster.several import Cluster, SeveralHosts
from tabular.contract.errors import JobError
from tabular.contract.hosts import Hosts

__all__ = ["Cluster", "gather", "tell_others"]

# AWS's container uses the same two.
CONTROL_PORT, TRACKER_PORT = 9099, 9100
SILENCE_SECONDS = 600.0
# Three heartbeats.
LEAST_SILENCE_SECONDS = 15.0
# For a host that fails before it gathers: the others start within seconds, or do not hear why.
LAST_WORDS_SECONDS = 30.0


def gather(
    hosts: Hosts,
    timeout_seconds: float,
    on_failure: Callable[[JobError], None],
    log: logging.Logger | None = None,
    *,
    port: int = CONTROL_PORT,
    tracker_port: int = TRACKER_PORT,
    silence_seconds: float | None = None,
    setting: str = "the hyperparameter cluster_timeout",
) -> Cluster:
    """Wait until all hosts of the job are there; call it before anything that can fail or last.

    Parameters
    ----------
    timeout_seconds : float
        How long to wait for hosts that are late (the hyperparameter ``cluster_timeout``).
    on_failure : Callable[[JobError], None]
        Called in another thread, later, when another host fails, dies or is lost. It must write
        the failure file and end the process (``os._exit``): the main thread may hang in XGBoost.
    port, tracker_port : int
        For the hosts to gather, and for XGBoost, which takes another when this is taken.
    silence_seconds : float
        A host that says nothing for so long, though its connection stands, is taken for dead:
        as long as ``timeout_seconds``, from 15 s to 10 minutes.
    setting : str
        What makes ``timeout_seconds`` longer, for messages.

    Returns
    -------
    Cluster
        To be used as a context.

    Raises
    ------
    PlatformError
        Hosts did not come in time, named; a host came and ended; the port is taken; this host
        was refused.
    JobError
        The failure of another host that came.
    """
    log = log or logging.getLogger(__name__)
    if len(hosts.names) == 1:
        return Cluster(hosts)
    me, names = hosts.current, hosts.names
    if silence_seconds is None:
        silence_seconds = min(SILENCE_SECONDS, max(LEAST_SILENCE_SECONDS, timeout_seconds))
    limit = f"up to {timeout_seconds:.0f} s, {setting}"
    control: Control
    if me == hosts.leader:
        listener = listen(hosts.network_interface, port, log)
        leader = Leader(
            me, names, on_failure, silence_seconds, log, listener, timeout_seconds, setting
        )
        log.info("waiting for %s on port %d (%s)", shortened(leader.absent()), port, limit)
        control, absent = leader, leader.absent
    else:
        address_of_leader = hosts.leader_address or hosts.leader
        link = connect(me, names, address_of_leader, port, timeout_seconds, setting, log)
        log.info("connected with %s, waiting for the other hosts (%s)", hosts.leader, limit)
        member = Member(me, names, on_failure, silence_seconds, log, link)
        control, absent = member, member.absent
    control.start()
    control.heard.wait_for(
        lambda: control.heard.gathered, lambda: f"{shortened(absent())} ({limit})"
    )
    log.info("all %d hosts are there: %s", len(names), shortened(names))

    def address() -> str:
        return address_of(hosts.network_interface) or control.local_address

    return SeveralHosts(hosts, control, address, tracker_port, log)


def tell_others(
    hosts: Hosts,
    error: JobError,
    *,
    port: int = CONTROL_PORT,
    seconds: float = LAST_WORDS_SECONDS,
) -> None:
    """Tell the other hosts why this one fails before it gathers, if they come within ``seconds``.

    Otherwise they would wait for it as long as ``cluster_timeout`` says.
    """
    if len(hosts.names) == 1:
        return
    log = logging.getLogger(__name__)
    with suppress(JobError):  # they did not come, or fail as well: this host's reason is its own
        gather(hosts, seconds, lambda _: None, log, port=port).fail(error)
