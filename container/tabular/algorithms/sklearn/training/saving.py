"""The artifact of an estimator: ``model.joblib`` or ``model.skops``, and its manifest."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

import tabular
from tabular.algorithms.sklearn.model import save_model
from tabular.algorithms.sklearn.settings import EstimatorSettings
from tabular.algorithms.xgboost.training.saving import describe
from tabular.artifact.files import staged
from tabular.artifact.manifest import Manifest
from tabular.data.columns import Columns
from tabular.training.run import Run

log = logging.getLogger(__name__)

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "skops", "skl2onnx", "onnx")


def save_estimator(
    run: Run,
    settings: EstimatorSettings,
    columns: Columns,
    model: Any,
    metrics: Mapping[str, float],
) -> Manifest | None:
    """Write a fitted model and its manifest; for the result see ``saving.save_artifact``.

    Raises
    ------
    UserError
        ``model_format`` can't hold the model.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    folder = run.job.paths.model
    with run.timing.stage("save"), staged(folder) as stage:
        files = save_model(stage, model, settings.model_format)
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
        described = describe(stage, manifest)
    log.info("saved %s in %s", ", ".join(files), folder)
    return manifest if described else None
