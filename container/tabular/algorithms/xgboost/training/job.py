"""Train XGBoost as a job: check the settings, connect the hosts, read, fit, and save."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import xgboost

import tabular
from tabular.algorithms.xgboost import hyperparameters
from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.hyperparameters import validate as validated
from tabular.algorithms.xgboost.training.cluster import (
    Cluster,
    ClusterConfig,
    announce_failure,
    rendezvous,
)
from tabular.algorithms.xgboost.training.cluster.consistency import require_same_job
from tabular.algorithms.xgboost.training.fitting import fit_and_save
from tabular.algorithms.xgboost.training.gpus import ANY_GPU, agreed_devices, devices_of, ports_of
from tabular.algorithms.xgboost.training.held_out import ONE_HOST
from tabular.algorithms.xgboost.training.reading import read_host_rows
from tabular.artifact.files import require_writable
from tabular.contract.environment import RESERVED_PREFIX
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.job import TrainingJob
from tabular.contract.machine import Machine
from tabular.training.job import Saved
from tabular.training.rows import TRAIN, VALIDATION, choose_channels, scratch_folder
from tabular.training.run import Run

log = logging.getLogger(__name__)

VERSIONS = {"sagemaker-tabular": tabular.__version__, "xgboost": xgboost.__version__}


def validate(run: Run) -> Settings:
    """Check the hyperparameters; see ``training.job.TrainingModule``."""
    if run.worker is not None:  # the process that started this one has logged the warnings
        logging.getLogger(hyperparameters.__name__).setLevel(logging.ERROR)
    try:
        return _settings(run.job)
    except UserError as error:
        announce_failure(run.job.hosts, error, port=ports_of(run.worker)[0])
        raise


def devices(run: Run, settings: Settings) -> Sequence[str]:
    """List the devices that need a process each, the same number on every host.

    Raises
    ------
    JobError
        There is no GPU, the hosts have different numbers of GPUs, or a channel can't be read by
        several processes.
    """
    found = run.devices or devices_of(settings, run.machine)
    if not found and settings.device != ANY_GPU:
        return ()
    with _connected(run, settings) as cluster:
        _require_gpu(settings, run.machine)
        channels = choose_channels(run.job)
        return found if agreed_devices(found, settings, channels, cluster) else ()


def train(run: Run, settings: Settings) -> Saved | None:
    """Train one model, or one for each fold; see ``training.job.TrainingModule``."""
    with _connected(run, settings) as cluster, ExitStack() as stack:
        _require_gpu(settings, run.machine)
        require_writable(run.job.paths.model)
        channels = choose_channels(run.job)
        require_same_job(run.job, channels, VERSIONS, cluster)
        folder = tempfile.TemporaryDirectory(dir=scratch_folder(run.job))
        scratch = Path(stack.enter_context(folder))
        rows = read_host_rows(run, settings, channels, cluster, stack, scratch)
        if rows.columns is None:
            log.warning("this host has no training rows: it waits until the others have trained")
            cluster.wait_for_end()
            return None
        with cluster.collective(rows.participants):
            return fit_and_save(run, settings, rows, channels[TRAIN].path, scratch)


@contextmanager
def _connected(run: Run, settings: Settings) -> Iterator[Cluster]:
    """Connect with the other hosts; tell them when SIGTERM or an error ends this host.

    After a host has trained, SIGTERM does not end the host at once: the other hosts need this host
    until they have finished.
    """
    port, tracker_port = ports_of(run.worker)
    config = ClusterConfig(settings.cluster_timeout, port, tracker_port)
    with run.timing.stage("gather"):
        cluster = rendezvous(run.job.hosts, config, run.abort)
    with run.termination.notifying(cluster.announce_stop), cluster:
        yield cluster


def _settings(job: TrainingJob) -> Settings:
    # Without the hyperparameters of the SDK, and without ``algorithm``, which selected this module.
    if not any(
        name != ALGORITHM and not name.startswith(RESERVED_PREFIX) for name in job.hyperparameters
    ):
        raise UserError(
            f"Missing required hyperparameter: num_round ({job.paths.hyperparameters} does not "
            'exist or is empty); write {"num_round": "100", ...} into it'
        )
    settings = validated(job.hyperparameters)
    updaters = str(settings.params.get("updater", ""))
    exact = settings.params.get("tree_method") == "exact" or "grow_colmaker" in updaters
    if exact and len(job.hosts.names) > 1:
        raise UserError(
            f"tree_method=exact trains on one host, and the job has {len(job.hosts.names)}: use "
            "tree_method=hist, or set instance_count=1"
        )
    drawn = settings.validation_fraction is not None and VALIDATION not in job.channels
    if drawn and len(job.hosts.names) > 1:
        raise UserError(ONE_HOST)
    return settings


def _require_gpu(settings: Settings, machine: Machine) -> None:
    # Without a GPU XGBoost itself warns, and trains on the processor.
    if settings.device == "cpu":
        return
    if not xgboost.build_info()["USE_CUDA"]:
        raise UserError(
            f"Hyperparameter device is {settings.device}, which needs the GPU image, and this is "
            "the CPU image; build it with --accelerator gpu, or set device=cpu"
        )
    if not machine.gpus:
        raise UserError(
            f"Hyperparameter device is {settings.device}, but the container has no GPU; use a GPU "
            "instance type (docker run: --gpus all), or set device=cpu"
        )
