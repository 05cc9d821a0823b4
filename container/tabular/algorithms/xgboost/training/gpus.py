"""Several GPUs in one host: one process for each GPU.

XGBoost uses one GPU per process. The processes of a host train together as several hosts do;
``commands/workers.py`` starts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.training.cluster import CONTROL_PORT, TRACKER_PORT, Cluster
from tabular.algorithms.xgboost.training.cluster.messages import shortened
from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.machine import Machine
from tabular.contract.worker import Worker

# The value of device for all GPUs; cuda:N is a single GPU.
ANY_GPU = "cuda"


def devices_of(settings: Settings, machine: Machine) -> tuple[str, ...]:
    """List the GPUs that need a process each: all GPUs with ``device=cuda``, otherwise none."""
    if settings.device != ANY_GPU or machine.gpus < 2:
        return ()
    return tuple(f"{ANY_GPU}:{number}" for number in range(machine.gpus))


def agreed_devices(
    devices: Sequence[str],
    settings: Settings,
    channels: Mapping[str, Channel],
    cluster: Cluster,
) -> bool:
    """Return whether each device gets a process of its own; every host of the job calls it.

    Raises
    ------
    UserError
        The hosts have different numbers of GPUs, or a channel can't be read by several processes.
    """
    if devices or settings.device == ANY_GPU:
        _require_same_number(devices, cluster)
    if len(devices) < 2:
        return False
    _require_files(channels)
    return True


def _require_same_number(devices: Sequence[str], cluster: Cluster) -> None:
    counts = cast(list[int], cluster.allgather(max(1, len(devices)), "how many GPUs it has"))
    if len(set(counts)) > 1:
        found = [
            f"{host}: {count}" for host, count in zip(cluster.hosts.names, counts, strict=True)
        ]
        raise UserError(
            f"the hosts have different numbers of GPUs ({shortened(found)}), expected the same "
            "on each; use one instance type for all hosts"
        )


def _require_files(channels: Mapping[str, Channel]) -> None:
    for channel in channels.values():
        if channel.input_mode == "Pipe":
            raise UserError(
                f"channel '{channel.name}' has TrainingInputMode Pipe, which only one process "
                "can read, and device=cuda trains with one process for each GPU; use FastFile, "
                "which streams from S3 as well, or one GPU (device=cuda:0)"
            )


def ports_of(worker: Worker | None) -> tuple[int, int]:
    """Choose the ports of the control connections and of the tracker.

    On a single host these are free ports, because two jobs may run on one machine.
    """
    if worker is None or not worker.port:
        return CONTROL_PORT, TRACKER_PORT
    return worker.port, 0


def with_device(settings: Settings, worker: Worker | None) -> Settings:
    """Set the device of a worker process; only the first worker shows XGBoost's warnings."""
    if worker is None:
        return settings
    params = {**settings.params, "device": worker.device}
    if worker.local_rank:
        params["verbosity"] = 0
    return replace(settings, params=params, device=worker.device)
