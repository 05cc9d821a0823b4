"""Train a scikit-learn estimator: read the channels, fit, compute metrics, write the artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tabular.algorithms.sklearn.catalogue import CLASSIFIER
from tabular.algorithms.sklearn.dates import with_dates
from tabular.algorithms.sklearn.model import save_model
from tabular.algorithms.sklearn.preprocessing import pipeline_of
from tabular.algorithms.sklearn.settings import EstimatorSettings
from tabular.algorithms.sklearn.settings import validate as validated
from tabular.algorithms.sklearn.training.dataset import (
    Dataset,
    dataset_of,
    require_memory,
    warn_of_lost_digits,
)
from tabular.algorithms.sklearn.training.fitting import fit_and_measure, hold_out, name_classes
from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.class_labels import class_labels, warn_of_odd_classes
from tabular.data.columns import Columns
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.compile_step import Compiling
from tabular.training.hard_rows import sample_rows
from tabular.training.job import Saved
from tabular.training.memory import Memory, mib
from tabular.training.rows import TRAIN, Checks, scratch_folder
from tabular.training.run import Run
from tabular.training.saving import Trained, save_artifact
from tabular.training.single_host import read_channels

# A label and a weight take 4 bytes each. The rest is for copies in the estimator and the metrics.
BYTES_PER_ROW = 32
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "skops", "skl2onnx", "onnx")
ENGINE = "scikit-learn"
COMPILE = "tabular.algorithms.sklearn.compiling.step:compile_artifact"

STOPPED = (
    "stopped by SIGTERM before training ended; no model was saved. scikit-learn has no model "
    "before the end of training: give the job more time (max_run)"
)


def validate(run: Run) -> EstimatorSettings:
    """Check the hyperparameters; see ``training.job.TrainingModule``."""
    return validated(run.job.hyperparameters, run.machine)


def devices(run: Run, settings: EstimatorSettings) -> Sequence[str]:
    """Return no devices: this process trains. See ``training.job.TrainingModule``."""
    return ()


def train(run: Run, settings: EstimatorSettings) -> Saved | None:
    """Fit the estimator, compute metrics and save; see ``training.job.TrainingModule``."""
    run.exit_stack.enter_context(run.termination.stopping(STOPPED))
    datasets, columns = _read(run, settings)
    warn_of_lost_digits(datasets[TRAIN], columns.features)
    datasets = hold_out(settings, datasets)
    name_classes(settings, datasets[TRAIN])
    model = settings.estimator
    if settings.preprocess == "auto":
        model = pipeline_of(settings.estimator, columns)
    metrics = fit_and_measure(run, settings, model, datasets)
    manifest = save_artifact(run, _trained(settings, columns, model, metrics))
    if manifest is None:
        return None
    # A slice without a copy would keep all rows in memory.
    sample = datasets[TRAIN].codes[: sample_rows(columns.features.count)].copy()
    return Saved(manifest, Compiling(COMPILE, ENGINE, sample, {"method": settings.method}))


def _trained(
    settings: EstimatorSettings, columns: Columns, model: Any, metrics: Mapping[str, float]
) -> Trained:
    return Trained(
        algorithm=settings.algorithm,
        save=lambda folder: save_model(folder, with_dates(model, columns), settings.model_format),
        columns=columns,
        metrics=metrics,
        hyperparameters={**settings.parameters, "preprocess": settings.preprocess},
        libraries={name: version(name) for name in LIBRARIES},
        described={
            "classes": np.asarray(getattr(model, "classes_", ())).tolist(),
            "probabilities": hasattr(model, "predict_proba"),
        },
    )


def _read(run: Run, settings: EstimatorSettings) -> tuple[dict[str, Dataset], Columns]:
    """Read all channels, and make a data set of each channel."""
    memory = Memory(run.machine.memory)
    # scikit-learn and pandas take 100 MiB in addition to the program. The label and the weight of
    # each row stay in memory, and are copied together with the features for the estimator.
    memory_budget = MemoryBudget(
        memory.usable // 2,
        scratch_folder(run.job),
        most_rows=memory.usable // BYTES_PER_ROW,
        too_many=f"whose labels and weights take {BYTES_PER_ROW} bytes a row beside the "
        f"features; the container has {mib(run.machine.memory)}, and scikit-learn learns in "
        "memory: use an instance type with more, fewer rows, or algorithm=xgboost, which reads "
        "the features from disk",
    )
    checks = Checks(batch=_refuse_negative_weights)
    with read_channels(run, settings.layout, checks, memory_budget) as (stores, columns):
        for name, store in stores.items():
            require_memory(store, name, run.machine.memory)
        _require_same_kind_of_labels(stores)
        # One decision for all channels: 10 is a text beside 01, and a number beside 9.
        texts = list(
            dict.fromkeys(text for store in stores.values() for text in store.classes or ())
        )
        classes: dict[str, int | str] = dict(zip(texts, class_labels(texts), strict=True))
        if settings.kind == CLASSIFIER:
            warn_of_odd_classes({name: store.classes or {} for name, store in stores.items()})
        return {
            name: dataset_of(store, settings.kind, settings.labelled, classes)
            for name, store in stores.items()
        }, columns


def _refuse_negative_weights(batch: Batch, path: Path) -> None:
    if batch.weight is not None and not (batch.weight >= 0).all():
        row = int((~(batch.weight >= 0)).argmax())
        raise UserError(
            f"a weight must not be negative: {path} {batch.where(row)} has weight "
            f"{batch.weight[row]:g}"
        )


def _differ(read: Sequence[Mapping[str, int] | None]) -> bool:
    """Return whether one channel has numbers alone, another has text, and no label is in both."""
    texts = [set(classes) for classes in read if classes]
    kinds = {isinstance(class_labels(sorted(classes))[0], int) for classes in texts}
    return len(kinds) > 1 and not set.intersection(*texts)


def _require_same_kind_of_labels(stores: Mapping[str, Store]) -> None:
    read = [store.classes for store in stores.values() if store.rows]
    if len({classes is None for classes in read}) > 1 or _differ(read):
        raise UserError(
            "the labels are text in one channel and numbers in the other; use one type in both"
        )
