"""The artifact of an estimator: ``model.joblib`` or ``model.skops``, compiled, described."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

import tabular
from tabular.artifact.estimator import save_model
from tabular.artifact.files import save_compiled, save_manifest
from tabular.artifact.manifest import Manifest
from tabular.data.columns import Columns
from tabular.training.estimators.compiling import compile_estimator
from tabular.training.estimators.frames import Rows
from tabular.training.estimators.settings import EstimatorSettings
from tabular.training.hard_rows import sample_rows
from tabular.training.run import Run

log = logging.getLogger(__name__)

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "skops", "skl2onnx", "onnx")


def save_estimator(
    run: Run,
    settings: EstimatorSettings,
    columns: Columns,
    model: Any,
    rows: Rows,
    metrics: Mapping[str, float],
) -> None:
    """Write a fitted model and its manifest, then the compiled model.

    Parameters
    ----------
    rows : Rows
        Training rows, of which some are compared with the compiled model.

    Raises
    ------
    UserError
        ``model_format`` can't hold the model.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    folder = run.job.paths.model
    with run.timing.stage("save"):
        files = save_model(folder, model, settings.model_format)
        manifest = Manifest(
            algorithm=settings.algorithm,
            objective="",
            num_features=columns.count,
            num_class=0,
            best_iteration=None,
            rounds=0,
            metrics=metrics,
            hyperparameters={**settings.parameters, "preprocess": settings.preprocess},
            training_job=run.job.name,
            libraries={
                "python": platform.python_version(),
                "sagemaker-tabular": tabular.__version__,
                **{name: version(name) for name in LIBRARIES},
            },
            files=files,
            feature_names=list(columns.names),
            categories={str(column): list(texts) for column, texts in columns.categories.items()},
            index_base=columns.base,
            classes=np.asarray(getattr(model, "classes_", ())).tolist(),
            probabilities=hasattr(model, "predict_proba"),
        )
        save_manifest(folder, manifest)
    log.info("saved %s in %s", ", ".join(files), folder)
    with run.timing.stage("compile"):
        sample = rows.codes[: sample_rows(columns.count)]
        found = compile_estimator(model, settings.method, columns, sample)
        compiled = [] if found.content is None else [found.content]
        save_manifest(
            folder,
            replace(
                manifest,
                files={**files, **save_compiled(folder, compiled)},
                compiled=found.parity,
                takes_missing=found.takes_missing,
            ),
        )
