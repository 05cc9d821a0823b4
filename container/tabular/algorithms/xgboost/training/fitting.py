"""Fit one model, or one model per fold, to the rows of a job, and save them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.hyperparameters.constraints import for_features
from tabular.algorithms.xgboost.training.collectives import any_host
from tabular.algorithms.xgboost.training.crossvalidation import cross_validate
from tabular.algorithms.xgboost.training.description import trained
from tabular.algorithms.xgboost.training.gpus import with_device
from tabular.algorithms.xgboost.training.held_out import parts_of
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.planning import plan
from tabular.algorithms.xgboost.training.quantile_cuts import quantile_cuts
from tabular.algorithms.xgboost.training.reading import HostRows, threads_of
from tabular.algorithms.xgboost.training.stopping import best_of
from tabular.algorithms.xgboost.training.trainer import Trainer
from tabular.data.columns import Columns
from tabular.data.store import Store
from tabular.training.compile_step import Compiling
from tabular.training.hard_rows import sample_of
from tabular.training.job import Saved
from tabular.training.memory import Memory
from tabular.training.rows import TRAIN
from tabular.training.run import Run
from tabular.training.saving import Trained, save_artifact, write_artifact

log = logging.getLogger(__name__)

ENGINE = "XGBoost"
COMPILE = "tabular.algorithms.xgboost.compiling.step:compile_artifact"

# Takes boosters and their metrics; returns their description for the manifest.
Describe: TypeAlias = Callable[[Sequence[xgboost.Booster], Mapping[str, float]], Trained]


def fit_and_save(
    run: Run, settings: Settings, rows: HostRows, folder: Path, scratch: Path
) -> Saved | None:
    """Fit the models, and save them on rank 0; every host of the collective calls it.

    Parameters
    ----------
    folder : Path
        The folder of the training channel.
    scratch : Path
        A folder for matrices that do not fit into memory.

    Returns
    -------
    Saved or None
        None on the other ranks, or if the models were saved without a manifest.

    Raises
    ------
    JobError
        See ``planning.plan`` and ``Trainer.fit``.
    """
    memory = Memory(run.machine.memory)
    nthread = threads_of(run, settings)
    columns = cast(Columns, rows.columns)
    chosen = agreed_plan(rows.stores, settings, nthread, memory, scratch)
    log.info("%s: %s", chosen.kind, chosen.reason)
    cuts = None
    # Each part of a channel has its own cuts, and on a GPU XGBoost uses another sketch.
    parts = {}
    if settings.kfold is None:
        parts = parts_of(rows.stores, settings, collective.get_world_size())
    held_out = any(pick is not None for each in parts.values() for _, pick in each)
    if settings.kfold is None and not held_out and settings.device == "cpu":
        with run.timing.stage("bin"):
            cuts = quantile_cuts(rows.stores[TRAIN], folder, chosen, memory, scratch)
    named = replace(settings, params=for_features(settings.params, columns))
    device = with_device(named, run.worker)
    trainer = Trainer(run, device, chosen, nthread, cuts, classes=rows.classes)
    describe = partial(trained, settings, columns, rows.classes)
    sample = sample_of(rows.stores[TRAIN])
    _save_on_termination(trainer, describe)
    if settings.kfold is None:
        fitted = trainer.fit(parts)
        boosters, metrics = [fitted.booster], fitted.metrics
    else:
        boosters, metrics = cross_validate(trainer, rows.stores, run.job.paths.output_data)
    run.exit_stack.enter_context(run.termination.deferred())
    if collective.get_rank() != 0:
        return None
    manifest = save_artifact(run, describe(boosters, metrics))
    if manifest is None:
        return None
    return Saved(manifest, Compiling(COMPILE, ENGINE, sample, {"nthread": nthread}))


def agreed_plan(
    stores: Mapping[str, Store], settings: Settings, nthread: int, memory: Memory, scratch: Path
) -> Plan:
    """Choose the kind of matrix: on disk on all hosts if a matrix of any host must be on disk."""
    chosen = plan(stores, settings, nthread, memory, scratch)
    if any_host(chosen.cache is not None) and chosen.cache is None:
        return plan(stores, settings, nthread, memory, scratch, on_disk=True)
    return chosen


def _save_on_termination(trainer: Trainer, describe: Describe) -> None:
    """Prepare ``save_model_on_termination``: SIGTERM ends training after the round.

    If the round does not end within the grace period, the model of the last long round is saved.
    There is no such model with k-fold: all of its models are saved together.
    """
    run, settings = trainer.run, trainer.settings
    if settings.save_model_on_termination != "true":
        return
    scope = run.exit_stack.enter_context(run.termination.deferred())
    if settings.kfold is not None:
        return

    def keep(booster: xgboost.Booster) -> None:
        raw = booster.save_raw("ubj")

        def save_latest() -> None:
            kept = xgboost.Booster(model_file=bytearray(raw))
            write_artifact(run, describe([best_of(kept, trainer.sliceable)], {}))

        scope.on_timeout = save_latest

    trainer.keep = keep
