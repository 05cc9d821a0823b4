"""Fit an estimator as a job says, measure it, and write the artifact."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.utils.validation import has_fit_parameter

from tabular.algorithms.sklearn.catalogue import CLASSIFIER
from tabular.algorithms.sklearn.model import save_model
from tabular.algorithms.sklearn.preprocessing import MODEL, pipeline_of
from tabular.algorithms.sklearn.settings import EstimatorSettings
from tabular.algorithms.sklearn.settings import validate as validated
from tabular.algorithms.sklearn.training.rows import (
    Rows,
    require_memory,
    rows_of,
    warn_of_lost_digits,
)
from tabular.algorithms.sklearn.training.scoring import scores_of
from tabular.artifact.files import require_writable
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.data.batch import Batch
from tabular.data.columns import Columns
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.compile_step import Compiling
from tabular.training.hard_rows import sample_rows
from tabular.training.job import Saved
from tabular.training.memory import Memory, mib
from tabular.training.metric_lines import MetricsFile, metric_line
from tabular.training.rows import (
    TRAIN,
    VALIDATION,
    Checks,
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

# A label and a weight, 4 bytes each, and the copies that the estimator and the metrics make.
BYTES_PER_ROW = 32
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "skops", "skl2onnx", "onnx")
ENGINE = "scikit-learn"
COMPILE = "tabular.algorithms.sklearn.compiling.step:compile_artifact"

STOPPED = (
    "stopped by SIGTERM before training ended; no model was saved. scikit-learn keeps none that "
    "is half trained: give the job more time (max_run)"
)


def validate(run: Run) -> EstimatorSettings:
    """Check the hyperparameters; see ``training.job.TrainingModule``."""
    settings = validated(run.job.hyperparameters, run.machine)
    if len(run.job.hosts.names) > 1:
        raise UserError(
            f"{settings.algorithm} trains on one host, and the job has "
            f"{len(run.job.hosts.names)}: set instance_count=1, or use algorithm=xgboost"
        )
    return settings


def devices(run: Run, settings: EstimatorSettings) -> Sequence[str]:
    """List no devices: this process trains; see ``training.job.TrainingModule``."""
    return ()


def train(run: Run, settings: EstimatorSettings) -> Saved | None:
    """Fit the estimator, measure it and save it; see ``training.job.TrainingModule``."""
    run.lasting.enter_context(run.termination.stopping(STOPPED))
    require_writable(run.job.paths.model)
    rows, columns = _read(run, settings)
    warn_of_lost_digits(rows[TRAIN], columns)
    rows = _parted(settings, rows)
    _name_classes(settings, rows[TRAIN])
    model = _model_of(settings, columns)
    metrics = _fitted(run, settings, model, rows)
    run.lasting.enter_context(run.termination.deferred())
    manifest = save_artifact(run, _trained(settings, columns, model, metrics))
    run.lasting.enter_context(run.termination.saved())
    if manifest is None:
        return None
    # A copy: a slice would keep all rows.
    sample = rows[TRAIN].codes[: sample_rows(columns.count)].copy()
    return Saved(manifest, sample, Compiling(COMPILE, ENGINE, {"method": settings.method}))


def _trained(
    settings: EstimatorSettings, columns: Columns, model: Any, metrics: Mapping[str, float]
) -> Trained:
    return Trained(
        algorithm=settings.algorithm,
        save=lambda folder: save_model(folder, model, settings.model_format),
        columns=columns,
        metrics=metrics,
        hyperparameters={**settings.parameters, "preprocess": settings.preprocess},
        libraries={name: version(name) for name in LIBRARIES},
        described={
            "objective": "",
            "num_class": 0,
            "best_iteration": None,
            "rounds": 0,
            "classes": np.asarray(getattr(model, "classes_", ())).tolist(),
            "probabilities": hasattr(model, "predict_proba"),
        },
    )


def _read(run: Run, settings: EstimatorSettings) -> tuple[dict[str, Rows], Columns]:
    """Read the channels into rows, all of them before the first is learnt from."""
    channels = choose_channels(run.job)
    checks = Checks(_refuse_weights, lambda store, channel: None)
    with tempfile.TemporaryDirectory(dir=scratch_folder(run.job)) as scratch:
        memory = Memory(run.machine.memory)
        # scikit-learn and pandas take 100 MiB beside the program. Of each row label and weight
        # stay in memory, and are copied, with the features that the estimator gets.
        room = MemoryBudget(
            memory.usable // 2,
            Path(scratch),
            most_rows=memory.usable // BYTES_PER_ROW,
            too_many=f"whose labels and weights take {BYTES_PER_ROW} bytes a row beside the "
            f"features; the container has {mib(run.machine.memory)}, and scikit-learn learns in "
            "memory: use an instance type with more, fewer rows, or algorithm=xgboost, which reads "
            "the features from disk",
        )
        with run.timing.stage("read"):
            stores = read_rows(
                channels, settings.layout, checks, room, run.machine.cpus, {}, list_files(channels)
            )
        try:
            described = [{name: store.describe(name) for name, store in stores.items()}]
            require_rows(described, channels)
            columns = seal(stores, described, run.job.paths.data)
            for name, store in stores.items():
                require_memory(store, name, run.machine.memory)
            _require_same_labels(stores)
            labelled = settings.labelled
            return {
                name: rows_of(store, settings.kind, labelled) for name, store in stores.items()
            }, columns
        finally:
            for store in stores.values():
                store.close()


def _refuse_weights(batch: Batch, path: Path) -> None:
    if batch.weight is not None and not (batch.weight >= 0).all():
        row = int((~(batch.weight >= 0)).argmax())
        raise UserError(
            f"a weight must not be negative: {path} {batch.where(row)} has weight "
            f"{batch.weight[row]:g}"
        )


def _require_same_labels(stores: Mapping[str, Store]) -> None:
    if len({store.classes is None for store in stores.values() if store.rows}) > 1:
        raise UserError(
            "the labels are text in one channel and numbers in the other; write them in one way"
        )


def _model_of(settings: EstimatorSettings, columns: Columns) -> Any:
    if settings.preprocess == "auto":
        return pipeline_of(settings.estimator, columns)
    return settings.estimator


def _name_classes(settings: EstimatorSettings, rows: Rows) -> None:
    """Give the weights of classes their keys: JSON has no whole numbers as keys."""
    if settings.kind != CLASSIFIER or rows.label is None:
        return
    classes = np.unique(rows.label).tolist()
    if len(classes) == 1:
        log.warning("all labels are %r: the model can answer nothing else", classes[0])
    weights = settings.estimator.get_params(deep=False).get("class_weight")
    if isinstance(weights, dict):
        named = {str(each): each for each in classes}
        settings.estimator.set_params(
            class_weight={named.get(str(key), key): weight for key, weight in weights.items()}
        )


def _parted(settings: EstimatorSettings, rows: dict[str, Rows]) -> dict[str, Rows]:
    """Hold rows out for validation, where the job asks for it."""
    if VALIDATION in rows and (settings.validation_fraction or settings.cross_validation):
        log.warning(
            "there is a validation channel: validation_fraction and cross_validation are not used"
        )
    if VALIDATION in rows or settings.validation_fraction is None:
        return rows
    given = rows[TRAIN]
    with _explained(given):
        learnt, held = train_test_split(
            np.arange(len(given)),
            test_size=settings.validation_fraction,
            random_state=settings.seed,
            stratify=given.label if settings.kind == CLASSIFIER else None,
        )
    return {TRAIN: given.pick(learnt), VALIDATION: given.pick(held)}


def _folds(settings: EstimatorSettings, rows: Rows) -> list[tuple[Rows, Rows]]:
    """Make the rows to learn from and to measure with of each fold."""
    classes = rows.label if settings.kind == CLASSIFIER else None
    kind = KFold if classes is None else StratifiedKFold
    folds = kind(settings.cross_validation, shuffle=True, random_state=settings.seed)
    with _explained(rows), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class with fewer rows than folds
        parts = list(folds.split(np.arange(len(rows)), classes))
    return [(rows.pick(learnt), rows.pick(held)) for learnt, held in parts]


@contextmanager
def _explained(rows: Rows) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UserError(
            f"the {len(rows)} rows of channel 'train' can't be parted for validation: {error}; "
            "give more rows, fewer folds, or a validation channel"
        ) from error


def _fitted(
    run: Run, settings: EstimatorSettings, model: Any, rows: Mapping[str, Rows]
) -> dict[str, float]:
    """Fit the model, and print its metrics; with folds, those of each and their mean.

    Returns
    -------
    dict of str to float
        The last line's: ``train-accuracy``, ``validation-accuracy``, ...
    """
    metrics_file = MetricsFile(run.job.paths.metrics)
    written = 0

    def write(metrics: Mapping[str, float]) -> None:
        nonlocal written
        if metrics:
            print(metric_line(written, metrics), file=run.stdout, flush=True)
            metrics_file.append(written, metrics, time.time())
        written += 1

    found: list[dict[str, float]] = []
    if settings.cross_validation is not None and VALIDATION not in rows:
        for learnt, held in _folds(settings, rows[TRAIN]):
            with run.timing.stage("cross-validate"):
                part = _fit(clone(model), settings, learnt)
                found.append(_scores(part, settings, {TRAIN: learnt, VALIDATION: held}))
            write(found[-1])
    with run.timing.stage("train"):
        _fit(model, settings, rows[TRAIN])
    with run.timing.stage("evaluate"):
        metrics = _scores(model, settings, rows)
    if found:
        names = [name for name in found[0] if all(name in fold for fold in found)]
        metrics = {name: float(np.mean([fold[name] for fold in found])) for name in names}
    write(metrics)
    return metrics


def _scores(model: Any, settings: EstimatorSettings, rows: Mapping[str, Rows]) -> dict[str, float]:
    try:
        return {
            f"{name}-{metric}": value
            for name, part in rows.items()
            for metric, value in scores_of(model, settings.kind, part).items()
        }
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{settings.algorithm} is fitted, and fails to answer: {' '.join(str(error).split())}"
        ) from error


def _fit(model: Any, settings: EstimatorSettings, rows: Rows) -> Any:
    """Fit a model.

    Raises
    ------
    UserError
        The estimator refuses the rows, or takes no weights.
    AlgorithmError
        It fails.
    """
    weight = {}
    if rows.weight is not None:
        if not has_fit_parameter(settings.estimator, "sample_weight"):
            raise UserError(
                f"{settings.algorithm} takes no weights; leave weight and csv_weights out"
            )
        prefix = f"{MODEL}__" if settings.preprocess == "auto" else ""
        weight = {f"{prefix}sample_weight": rows.weight}
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            model.fit(rows.features, rows.label, **weight)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{settings.algorithm} can't be fitted: {' '.join(str(error).split())}"
        ) from error
    except (MemoryError, JobError):
        raise
    except Exception as error:
        raise AlgorithmError(
            f"{settings.algorithm} failed: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    for text in dict.fromkeys(" ".join(str(each.message).split()) for each in noted):
        log.warning("scikit-learn: %s", text[:300])
    return model
