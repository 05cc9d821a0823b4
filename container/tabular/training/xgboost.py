"""Train one XGBoost model on one host."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import TextIO

import numpy as np
import xgboost
from xgboost.callback import EarlyStopping, TrainingCallback

import tabular
from tabular.artifact.booster import (
    MODEL,
    objective_of,
    plain_message,
    save_manifest,
    save_model,
)
from tabular.artifact.files import require_writable
from tabular.artifact.manifest import Manifest
from tabular.contract.channels import Channel
from tabular.contract.environment import RESERVED_PREFIX
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.contract.job import TrainingJob
from tabular.contract.termination import Termination
from tabular.data.batch import Rows
from tabular.data.channel import read_channel
from tabular.training.hyperparameters import Settings, validate
from tabular.training.labels import check_labels, check_weights
from tabular.training.metrics import MetricLines, is_maximized

log = logging.getLogger(__name__)

TRAIN, VALIDATION = "train", "validation"
# What XGBoost says when the customer's data or settings are wrong (AWS's list, with the
# wording of XGBoost 3).
CUSTOMERS_FAULTS = (
    "label must be",
    "Weights must be positive",
    "Parameter",
    "max_bin",
    "AUC: the dataset only contains pos or neg samples",
    "base_score must be",
    "Check failed: preds.size() == info.labels_.size()",
    "feature_names mismatch",
    "Must have at least",
    "not compiled with CUDA",
    "No visible GPU",
)


def train(
    job: TrainingJob, num_cpus: int, num_gpus: int, termination: Termination, stdout: TextIO
) -> None:
    """Train as the job says and write the artifact.

    Parameters
    ----------
    num_cpus : int
        Threads, unless the hyperparameter ``nthread`` says otherwise.
    num_gpus : int
        Devices that the container got; ``device=cuda`` needs one.
    termination : Termination
        Deferred while the model is saved, and from the first round on with
        ``save_model_on_termination``: then the model trained so far is saved whole.
    stdout : TextIO
        Gets the metric lines.

    Raises
    ------
    JobError
        See ``tabular.contract.errors``.
    """
    given = {
        name: value
        for name, value in job.hyperparameters.items()
        if not name.startswith(RESERVED_PREFIX)  # the SDK's, not the customer's
    }
    if "sagemaker_program" in job.hyperparameters:
        raise UserError(
            "the job has an entry point (sagemaker_program "
            f"{job.hyperparameters['sagemaker_program']}): this version has no script mode; "
            "leave entry_point and source_dir out"
        )
    if not given:
        raise UserError(
            f"Missing required hyperparameter: num_round ({job.paths.hyperparameters} does not "
            'exist or is empty); write {"num_round": "100", ...} into it'
        )
    settings = validate(given)
    if settings.params.get("device") == "cuda":
        _require_gpu(num_gpus)
    channels = _channels(job)
    require_writable(job.paths.model)
    started = time.monotonic()
    data = {name: _read(channel, settings) for name, channel in channels.items()}
    _check_columns(data, channels)
    log.info("read in %.2f s", time.monotonic() - started)
    with ExitStack() as stack:
        lines = MetricLines(stdout)
        callbacks: list[TrainingCallback] = [lines, *_early_stopping(settings, data)]
        if settings.save_model_on_termination == "true":
            stack.enter_context(termination.deferred())
            callbacks.append(_StopOnRequest(termination))
        started = time.monotonic()
        booster = _boost(settings, data, num_cpus, callbacks)
        log.info(
            "trained %d rounds in %.2f s", booster.num_boosted_rounds(), time.monotonic() - started
        )
        with termination.deferred():
            _save(job, settings, booster, lines.rounds)
        if termination.requested.is_set():
            log.warning("stopped by SIGTERM: the model trained so far is saved")


def _require_gpu(num_gpus: int) -> None:
    # XGBoost itself would go on, on the processor, with a warning.
    if not xgboost.build_info()["USE_CUDA"]:
        raise UserError(
            "Hyperparameter device is cuda, which needs the GPU image, and this is the CPU one; "
            "build it with --accelerator gpu, or set device=cpu"
        )
    if not num_gpus:
        raise UserError(
            "Hyperparameter device is cuda, but the container has no GPU; use a GPU instance type "
            "(docker run: --gpus all), or set device=cpu"
        )


def _channels(job: TrainingJob) -> dict[str, Channel]:
    if len(job.hosts.names) > 1:
        raise UserError(
            f"the job has {len(job.hosts.names)} hosts ({', '.join(job.hosts.names)}); "
            "this version trains on one: set instance_count=1"
        )
    if TRAIN not in job.channels:
        there = ", ".join(job.channels) or "none"
        raise UserError(
            f"Missing required channel: {TRAIN} (channels given: {there}); name the channel "
            f"'{TRAIN}', or put the files into {job.paths.data / TRAIN}"
        )
    for name in job.channels:
        if name not in (TRAIN, VALIDATION):
            log.warning("channel '%s' is not used: training reads train and validation", name)
    if job.checkpoints is not None:
        log.warning("checkpoints are not written in this version: a restart begins anew")
    return {name: job.channels[name] for name in (TRAIN, VALIDATION) if name in job.channels}


def _read(channel: Channel, settings: Settings) -> Rows:
    rows = read_channel(channel, weights=settings.csv_weights == 1)
    log.info(
        "channel '%s': %d rows, %d feature columns, %d file%s",
        channel.name,
        *rows.batch.features.shape,
        len(rows.files),
        "s" * (len(rows.files) > 1),
    )
    check_labels(rows, settings.objective, settings.num_class)
    check_weights(rows)
    return rows


def _check_columns(data: dict[str, Rows], channels: dict[str, Channel]) -> None:
    columns = {name: rows.batch.features.shape[1] for name, rows in data.items()}
    if VALIDATION in columns and columns[VALIDATION] != columns[TRAIN]:
        raise UserError(
            f"channel '{VALIDATION}' ({channels[VALIDATION].path}) has {columns[VALIDATION]} "
            f"feature columns, channel '{TRAIN}' has {columns[TRAIN]}; both need the same columns"
        )


def _early_stopping(settings: Settings, data: dict[str, Rows]) -> list[TrainingCallback]:
    if settings.early_stopping_rounds is None:
        return []
    if VALIDATION not in data:
        log.warning("early_stopping_rounds is not used: it needs a channel '%s'", VALIDATION)
        return []
    metric = settings.stopping_metric
    return [
        EarlyStopping(
            rounds=settings.early_stopping_rounds,
            metric_name=metric,
            data_name=VALIDATION,
            maximize=is_maximized(metric) if metric else None,
            # A linear model has no rounds to cut off: its last state is kept.
            save_best=settings.params.get("booster") != "gblinear",
        )
    ]


def _boost(
    settings: Settings, data: dict[str, Rows], num_cpus: int, callbacks: list[TrainingCallback]
) -> xgboost.Booster:
    params = {"nthread": num_cpus, **settings.params}
    try:
        matrices = _matrices(params, data)
        return xgboost.train(
            params,
            matrices[TRAIN],
            settings.num_round,
            evals=[(matrix, name) for name, matrix in matrices.items()],
            verbose_eval=False,
            callbacks=callbacks,
        )
    except xgboost.core.XGBoostError as error:
        raise _blame(error) from error


def _matrices(params: dict[str, object], data: dict[str, Rows]) -> dict[str, xgboost.DMatrix]:
    # Histograms are built from binned values: the quantile matrix keeps only those.
    binned = (
        params.get("tree_method", "auto") in ("auto", "hist")
        and params.get("booster") != "gblinear"
    )
    matrices: dict[str, xgboost.DMatrix] = {}
    for name, rows in data.items():
        batch = rows.batch
        if binned:
            matrices[name] = xgboost.QuantileDMatrix(
                batch.features,
                batch.label,
                weight=batch.weight,
                nthread=params["nthread"],
                max_bin=params.get("max_bin") or None,
                ref=matrices.get(TRAIN),
            )
        else:
            matrices[name] = xgboost.DMatrix(
                batch.features, batch.label, weight=batch.weight, nthread=params["nthread"]
            )
    return matrices


def _blame(error: xgboost.core.XGBoostError) -> JobError:
    message = plain_message(error)
    if any(known in message for known in CUSTOMERS_FAULTS):
        return UserError(message)
    return AlgorithmError(f"XGB train call failed with exception: {message}")


def _save(
    job: TrainingJob,
    settings: Settings,
    booster: xgboost.Booster,
    metrics: Sequence[Mapping[str, float]],
) -> None:
    started = time.monotonic()
    objective, num_class = objective_of(booster)
    best = booster.attributes().get("best_iteration")
    rounds = booster.num_boosted_rounds()
    record = save_model(job.paths.model, booster)
    save_manifest(
        job.paths.model,
        Manifest(
            algorithm="xgboost",
            objective=objective,
            num_features=booster.num_features(),
            num_class=num_class,
            best_iteration=None if best is None else int(best),
            rounds=rounds,
            # Those of the model that is kept, which early stopping may have cut back.
            metrics=metrics[rounds - 1],
            hyperparameters={**settings.params, "num_round": settings.num_round},
            training_job=job.name,
            libraries={
                "python": platform.python_version(),
                "sagemaker-tabular": tabular.__version__,
                "xgboost": xgboost.__version__,
                "numpy": np.__version__,
                "pyarrow": version("pyarrow"),
            },
            files={MODEL: record},
        ),
    )
    log.info("saved %s in %.2f s", job.paths.model / MODEL, time.monotonic() - started)


class _StopOnRequest(TrainingCallback):
    """Ends training after the round in which SIGTERM came; the last callback in the list."""

    def __init__(self, termination: Termination) -> None:
        self._termination = termination

    def after_iteration(
        self, model: xgboost.Booster, epoch: int, evals_log: TrainingCallback.EvalsLog
    ) -> bool:
        return self._termination.requested.is_set()
