"""Describe trained XGBoost models for the manifest of the artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import xgboost

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.model import objective_of, save_models
from tabular.data.columns import Columns
from tabular.training.saving import Trained


def trained(
    settings: Settings,
    columns: Columns,
    classes: Sequence[str],
    boosters: Sequence[xgboost.Booster],
    metrics: Mapping[str, float],
) -> Trained:
    """Return the models and their description, as ``save_artifact`` takes them.

    Parameters
    ----------
    classes : sequence of str
        Text labels, in the order of their codes.
    boosters : sequence of Booster
        One model, or one for each fold.
    metrics : mapping of str to float
        The metrics of the round that is kept; of k-fold, their means.
    """
    first = boosters[0]
    objective, num_class = objective_of(first)
    best = first.attr("best_iteration") if len(boosters) == 1 else None
    return Trained(
        algorithm="xgboost",
        save=lambda folder: save_models(folder, boosters),
        columns=columns,
        metrics=metrics,
        hyperparameters={**settings.params, "num_round": settings.num_round},
        libraries={
            "xgboost": xgboost.__version__,
            **{name: version(name) for name in ("numpy", "pyarrow", "onnx")},
        },
        described={
            "objective": objective,
            "num_class": num_class,
            "classes": list(classes),
            "best_iteration": None if best is None else int(best),
            "rounds": max(booster.num_boosted_rounds() for booster in boosters),
            "categorical": [at for at, kind in enumerate(first.feature_types or ()) if kind == "c"],
        },
    )
