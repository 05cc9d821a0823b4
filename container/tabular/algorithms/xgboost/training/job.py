"""Train XGBoost as a job says: one model, or one for each fold, on one host or on several."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import xgboost
from xgboost import collective

import tabular
from tabular.algorithms.xgboost import hyperparameters
from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.hyperparameters import validate as validated
from tabular.algorithms.xgboost.hyperparameters.constraints import with_safe_names
from tabular.algorithms.xgboost.training.cluster import Cluster, gather, tell_others
from tabular.algorithms.xgboost.training.cluster.agreement import require_same_job
from tabular.algorithms.xgboost.training.collectives import anywhere
from tabular.algorithms.xgboost.training.crossvalidation import cross_validate
from tabular.algorithms.xgboost.training.cuts import single_host_cuts
from tabular.algorithms.xgboost.training.cuts_in_turns import cuts_in_turns
from tabular.algorithms.xgboost.training.description import trained
from tabular.algorithms.xgboost.training.gpus import (
    ANY_GPU,
    agreed_devices,
    devices_of,
    placed,
    ports_of,
)
from tabular.algorithms.xgboost.training.labels import check, check_groups, check_width
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.planning import plan
from tabular.algorithms.xgboost.training.shares import shares_of
from tabular.algorithms.xgboost.training.stopping import best_of
from tabular.algorithms.xgboost.training.trainer import Trainer
from tabular.artifact.files import require_writable
from tabular.contract.channels import Channel
from tabular.contract.environment import RESERVED_PREFIX
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.job import TrainingJob
from tabular.contract.machine import Machine
from tabular.data.batch import Batch
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.compile_step import Compiling
from tabular.training.hard_rows import sample_of
from tabular.training.job import Saved
from tabular.training.memory import Memory, least
from tabular.training.rows import (
    TRAIN,
    Checks,
    Described,
    choose_channels,
    list_files,
    read_rows,
    require_rows,
    scratch_folder,
    seal,
)
from tabular.training.run import Run
from tabular.training.saving import Trained, save_artifact

log = logging.getLogger(__name__)

ENGINE = "XGBoost"
COMPILE = "tabular.algorithms.xgboost.compiling.step:compile_artifact"
VERSIONS = {"sagemaker-tabular": tabular.__version__, "xgboost": xgboost.__version__}
# Rows whose labels take no memory to speak of (4 MB): they are read to the end.
FEWEST_ROWS_REFUSED = 1_000_000


def validate(run: Run) -> Settings:
    """Check the hyperparameters; see ``training.job.TrainingModule``."""
    if run.worker is not None:  # the process that started this one has warned
        logging.getLogger(hyperparameters.__name__).setLevel(logging.ERROR)
    try:
        return _settings(run.job)
    except UserError as error:
        tell_others(run.job.hosts, error, port=ports_of(run.worker)[0])
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
    with _gathered(run, settings) as cluster:
        _require_gpu(settings, run.machine)
        channels = choose_channels(run.job)
        return found if agreed_devices(found, settings, channels, cluster) else ()


def train(run: Run, settings: Settings) -> Saved | None:
    """Train one model, or one for each fold; see ``training.job.TrainingModule``."""
    # Once a host has trained, SIGTERM no longer cuts it off: the others still need it to end well.
    with _gathered(run, settings) as cluster:
        _require_gpu(settings, run.machine)
        require_writable(run.job.paths.model)
        channels = choose_channels(run.job)
        require_same_job(run.job, channels, VERSIONS, cluster)
        return _train(run, settings, channels, cluster)


@contextmanager
def _gathered(run: Run, settings: Settings) -> Iterator[Cluster]:
    """Wait for the other hosts, and tell them when SIGTERM or an error ends this one."""
    port, tracker_port = ports_of(run.worker)
    with run.timing.stage("gather"):
        cluster = gather(
            run.job.hosts,
            settings.cluster_timeout,
            run.abort,
            port=port,
            tracker_port=tracker_port,
        )
    with run.termination.telling(cluster.stopping), cluster:
        yield cluster


def _settings(job: TrainingJob) -> Settings:
    given = {
        name: value
        for name, value in job.hyperparameters.items()
        # The SDK's, not the customer's; and what has been heeded.
        if not name.startswith(RESERVED_PREFIX) and name != ALGORITHM
    }
    if not given:
        raise UserError(
            f"Missing required hyperparameter: num_round ({job.paths.hyperparameters} does not "
            'exist or is empty); write {"num_round": "100", ...} into it'
        )
    settings = validated(given)
    updaters = str(settings.params.get("updater", ""))
    exact = settings.params.get("tree_method") == "exact" or "grow_colmaker" in updaters
    if exact and len(job.hosts.names) > 1:
        raise UserError(
            f"tree_method=exact trains on one host, and the job has {len(job.hosts.names)}: use "
            "tree_method=hist, or set instance_count=1"
        )
    return settings


def _require_gpu(settings: Settings, machine: Machine) -> None:
    # XGBoost itself would go on, on the processor, with a warning.
    if settings.device == "cpu":
        return
    if not xgboost.build_info()["USE_CUDA"]:
        raise UserError(
            f"Hyperparameter device is {settings.device}, which needs the GPU image, and this is "
            "the CPU one; build it with --accelerator gpu, or set device=cpu"
        )
    if not machine.gpus:
        raise UserError(
            f"Hyperparameter device is {settings.device}, but the container has no GPU; use a GPU "
            "instance type (docker run: --gpus all), or set device=cpu"
        )


def _train(
    run: Run, settings: Settings, channels: Mapping[str, Channel], cluster: Cluster
) -> Saved | None:
    """Read, train, and save on the first host."""
    job, timing = run.job, run.timing
    memory = Memory(run.machine.memory)
    nthread = settings.params.get("nthread", run.machine.cpus)
    files = list_files(channels)
    learnt = tuple(channels) if settings.kfold is not None else (TRAIN,)
    with timing.stage("gather"):
        shares = shares_of(cluster, channels, files, learnt, run.worker)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch_folder(job))))
        with timing.stage("read"):
            room = MemoryBudget(memory.raw, scratch)
            if settings.device == "cpu":
                # Fewer are refused by the plan, which knows the classes and the trees too.
                most = memory.limit // least(1, settings.num_class)
                room.most_rows = max(most, FEWEST_ROWS_REFUSED)
            stores = read_rows(
                channels, settings.layout, _checks(settings, memory), room, nthread, shares, files
            )
        for store in stores.values():
            stack.callback(store.close)
        with timing.stage("gather"):
            described = cast(
                Described,
                cluster.exchange(
                    {name: store.describe(name) for name, store in stores.items()},
                    "what it has read",
                ),
            )
        require_rows(described, channels)
        with_rows = [
            name
            for name, host in zip(job.hosts.names, described, strict=True)
            if host[TRAIN]["rows"]
        ]
        if job.hosts.current not in with_rows:
            log.warning("this host has no training rows: it waits until the others have trained")
            cluster.wait_for_end()
            return None
        columns = seal(stores, described, job.paths.data)
        with cluster.collective(with_rows):
            chosen = _agreed_plan(stores, settings, nthread, memory, scratch)
            log.info("%s: %s", chosen.kind, chosen.reason)
            cuts = None
            # A fold has cuts of its own, and a GPU its own sketch.
            if settings.kfold is None and settings.device == "cpu":
                folder = channels[TRAIN].path
                with timing.stage("bin"):
                    cuts = single_host_cuts(
                        stores[TRAIN], folder, chosen, memory, scratch
                    ) or cuts_in_turns(stores[TRAIN], chosen, memory, scratch)
            named = replace(settings, params=with_safe_names(settings.params, columns.names))
            trainer = Trainer(run, placed(named, run.worker), chosen, nthread, cuts)
            return _fit_and_save(
                trainer, stores, lambda *models: trained(settings, columns, *models)
            )


def _checks(settings: Settings, memory: Memory) -> Checks:
    def check_batch(batch: Batch, path: Path) -> None:
        check(batch, path, settings.objective, settings.num_class)
        check_width(batch, path, memory.most_columns)

    return Checks(
        check_batch,
        lambda store, channel: check_groups(store, channel, settings.objective),
    )


def _agreed_plan(
    stores: Mapping[str, Store], settings: Settings, nthread: int, memory: Memory, scratch: Path
) -> Plan:
    """Choose the kind of matrix, the same on all hosts."""
    chosen = plan(stores, settings, nthread, memory, scratch)
    if anywhere(chosen.cache is not None) and chosen.cache is None:
        return plan(stores, settings, nthread, memory, scratch, on_disk=True)
    return chosen


def _fit_and_save(
    trainer: Trainer,
    stores: Mapping[str, Store],
    described: Callable[[Sequence[xgboost.Booster], Mapping[str, float]], Trained],
) -> Saved | None:
    run, settings = trainer.run, trainer.settings
    sample = sample_of(stores[TRAIN])
    if settings.save_model_on_termination == "true":
        scope = run.lasting.enter_context(run.termination.deferred())
        if settings.kfold is None:

            def keep(booster: xgboost.Booster) -> None:
                raw = booster.save_raw("ubj")

                def rescue() -> None:
                    kept = xgboost.Booster(model_file=bytearray(raw))
                    save_artifact(run, described([best_of(kept, trainer.sliceable)], {}))

                scope.rescue = rescue

            trainer.keep = keep
    if settings.kfold is None:
        fitted = trainer.fit({name: [(store, None)] for name, store in stores.items()})
        boosters, metrics = [fitted.booster], fitted.metrics
    else:
        boosters, metrics = cross_validate(trainer, stores, run.job.paths.output_data)
    run.lasting.enter_context(run.termination.deferred())
    if collective.get_rank() != 0:
        return None
    manifest = save_artifact(run, described(boosters, metrics))
    run.lasting.enter_context(run.termination.saved())
    if manifest is None:
        return None
    return Saved(manifest, sample, Compiling(COMPILE, ENGINE, {"nthread": trainer.nthread}))
