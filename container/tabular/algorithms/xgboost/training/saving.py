"""Write the models of XGBoost and their manifest: the artifact of a training job."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xgboost

import tabular
from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.model import objective_of, save_models
from tabular.artifact.files import save_manifest, staged
from tabular.artifact.manifest import XGBOOST, Manifest
from tabular.contract.errors import PlatformError
from tabular.contract.job import TrainingJob
from tabular.data.columns import Columns

log = logging.getLogger(__name__)


def save_artifact(
    job: TrainingJob,
    settings: Settings,
    columns: Columns,
    boosters: Sequence[xgboost.Booster],
    metrics: Mapping[str, float],
) -> Manifest | None:
    """Write the models, and the manifest that describes them.

    Returns
    -------
    Manifest or None
        None when only the models could be written, and are served without it as well.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    objective, num_class = objective_of(boosters[0])
    best = boosters[0].attr("best_iteration") if len(boosters) == 1 else None
    types = boosters[0].feature_types or ()
    folder = job.paths.model
    with staged(folder) as stage:
        manifest = Manifest(
            algorithm=XGBOOST,
            objective=objective,
            num_features=boosters[0].num_features(),
            num_class=num_class,
            best_iteration=None if best is None else int(best),
            rounds=max(booster.num_boosted_rounds() for booster in boosters),
            # Those of the model that is kept, which early stopping may have cut back.
            metrics=metrics,
            hyperparameters={**settings.params, "num_round": settings.num_round},
            training_job=job.name,
            libraries={
                "python": platform.python_version(),
                "sagemaker-tabular": tabular.__version__,
                "xgboost": xgboost.__version__,
                "numpy": np.__version__,
                "pyarrow": version("pyarrow"),
                "onnx": version("onnx"),
            },
            files=save_models(stage, boosters),
            feature_names=list(columns.names),
            categories={str(column): list(texts) for column, texts in columns.categories.items()},
            index_base=columns.base,
            categorical=[place for place, kind in enumerate(types) if kind == "c"],
        )
        described = describe(stage, manifest)
    log.info("saved %s in %s", ", ".join(manifest.files), folder)
    return manifest if described else None


def describe(folder: Path, manifest: Manifest) -> bool:
    """Write the manifest of a model; False if it can't be written, and is not needed.

    Raises
    ------
    PlatformError
        The model would answer wrongly without it.
    """
    try:
        save_manifest(folder, manifest)
    except PlatformError as error:
        if manifest.is_needed:
            raise
        log.warning("the model is saved without its manifest, and not compiled: %s", error)
        return False
    return True
