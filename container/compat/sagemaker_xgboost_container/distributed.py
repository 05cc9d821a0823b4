"""Train one model on several hosts with a script's own function.

The hosts connect, exchange which hosts have data, train together and end together, as in algorithm
mode (``tabular.algorithms.xgboost.training.cluster``).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sagemaker_training.absent import absent
from tabular.algorithms.xgboost.training.cluster import CONTROL_PORT, ClusterConfig, rendezvous
from tabular.commands.error_report import report_error
from tabular.contract.errors import JobError, UserError
from tabular.contract.hosts import Hosts, wait_for_names
from tabular.contract.paths import Paths

log = logging.getLogger("tabular.rabit_run")

# The default of algorithm mode (the hyperparameter cluster_timeout).
CONNECT_SECONDS = 3600.0
OWN = "use rabit_run; within it, xgboost.collective has the rank and the hosts"

__getattr__ = absent(__name__, {"Rabit": OWN, "RabitHelper": OWN})


def wait_hostname_resolution(sm_hosts: Sequence[str]) -> None:
    """Wait until the names of all hosts resolve, for at most 15 minutes.

    Raises
    ------
    PlatformError
        A name does not resolve. The message has the name.
    """
    wait_for_names(sm_hosts)


def rabit_run(
    exec_fun: Callable[..., object],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    max_connect_attempts: int | None = None,
    connect_retry_timeout: float = 10,
    update_rabit_args: bool = False,
) -> None:
    """Call ``exec_fun(**args)`` on all hosts that have data, within XGBoost's collective.

    Every host of the job must call this function. A host without data waits until the other hosts
    have trained, and exits with 0. If a host fails or dies, all other hosts exit at once with a
    message that has the host and the error.

    Parameters
    ----------
    exec_fun : callable
        Calls ``xgboost.train`` with this host's rows; the master saves the model.
    args : dict
        With ``update_rabit_args``, ``is_master`` is added. It is True on the first host that has
        data, in the order of names.
    include_in_training : bool
        Whether this host has data.
    first_port, second_port : int or None
        The port on which the hosts connect (default 9099), and the port of XGBoost's tracker
        (default: ``first_port + 1``).
    max_connect_attempts, connect_retry_timeout : number
        The product is the time in seconds to wait for late hosts, but at least an hour.

    Raises
    ------
    UserError
        No host has data.
    PlatformError
        A host did not connect in time.
    SystemExit
        On a host without data, after the other hosts have trained; or if ``exec_fun`` raises it.
    """
    _log_to_stderr()
    first_port = first_port or CONTROL_PORT
    interface = os.environ.get("SM_NETWORK_INTERFACE_NAME") or Hosts.network_interface
    config = ClusterConfig(
        max(CONNECT_SECONDS, (max_connect_attempts or 0) * connect_retry_timeout),
        first_port,
        second_port or first_port + 1,
        timeout_setting="max_connect_attempts * connect_retry_timeout",
    )
    cluster = rendezvous(Hosts(current_host, tuple(sorted(hosts)), interface), config, _end)
    leave: SystemExit | None = None
    with cluster:
        included = cluster.allgather(bool(include_in_training))
        having = [name for name, has in zip(cluster.hosts.names, included, strict=True) if has]
        if not having:
            raise UserError(
                "No hosts received training data. include_in_training is False on all of "
                f"{', '.join(cluster.hosts.names)}; see what is in their channels"
            )
        if not include_in_training:
            log.warning("Host %s not being used for distributed training.", current_host)
            leave = SystemExit(0)
        else:
            if update_rabit_args:
                args.update(is_master=current_host == having[0])
            with cluster.collective(having):
                try:
                    exec_fun(**args)
                except SystemExit as end:
                    if end.code:
                        raise
                    leave = end  # raised below, so that the other hosts see a success
    if leave is not None:
        raise leave


def _end(error: JobError) -> None:
    """Exit because another host has failed. The main thread may hang in XGBoost."""
    sys.stdout.flush()
    os._exit(report_error(error, Paths.of(os.environ).failure))


def _log_to_stderr() -> None:
    """Set up logging if the script has not, so that the log names the missing hosts."""
    ours = logging.getLogger("tabular")
    if not logging.getLogger().handlers and not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)
        ours.propagate = False
