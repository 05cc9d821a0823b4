"""Metric definitions: the regular expressions with which SageMaker reads a job's log.

The metrics of each objective and of each kind of estimator are in ``hyperparameters.json``, which
is generated from the tables of the image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

TRAIN, VALIDATION = "train", "validation"
# Hyperparameters that make validation rows without a validation channel.
HOLD_OUT = ("_kfold", "cross_validation", "validation_fraction")
XGBOOST = "xgboost"


def metric_definitions(
    hyperparameters: Mapping[str, str], channels: Collection[str]
) -> list[dict[str, str]]:
    """Return the definitions of ``train:<metric>`` and ``validation:<metric>`` for a job.

    Parameters
    ----------
    hyperparameters : Mapping[str, str]
        For XGBoost the metrics are those of ``eval_metric`` (comma separated), or the default
        metric of ``objective``. For scikit-learn they depend on the estimator in ``algorithm``.
    channels : Collection[str]
        The names of the job's channels. Only ``train`` and ``validation`` have metrics.

    Returns
    -------
    list of dict
        Name and Regex for CreateTrainingJob, with the names of AWS's built-in XGBoost. Empty if
        the metrics are not known.

    Examples
    --------
    >>> metric_definitions({"eval_metric": "auc"}, ["train"])
    [{'Name': 'train:auc', 'Regex': 'train-auc:([-+0-9.eE]+)'}]
    """
    measured = {name for name in (TRAIN, VALIDATION) if name in channels}
    if TRAIN in measured and any(name in hyperparameters for name in HOLD_OUT):
        measured.add(VALIDATION)
    return [
        {"Name": f"{channel}:{metric}", "Regex": _pattern(channel, metric)}
        for channel in (TRAIN, VALIDATION)
        if channel in measured
        for metric in _metrics(hyperparameters)
    ]


def _metrics(hyperparameters: Mapping[str, str]) -> list[str]:
    algorithm = hyperparameters.get("algorithm", XGBOOST)
    if algorithm.lower() != XGBOOST:
        return _estimator_metrics(algorithm, hyperparameters)
    chosen = [name.strip() for name in hyperparameters.get("eval_metric", "").split(",")]
    if any(chosen):
        return list(dict.fromkeys(filter(None, chosen)))
    return _default_metrics(hyperparameters)


def _default_metrics(hyperparameters: Mapping[str, str]) -> list[str]:
    objective = hyperparameters.get("objective", _tables()["DefaultObjective"])
    default = _tables()["DefaultMetrics"].get(objective)
    if default is None:
        return []
    metric: str = default["Metric"]
    number = hyperparameters.get(default.get("NumberFrom", ""))
    return [f"{metric.partition('@')[0]}@{number}" if number else metric]


def _estimator_metrics(algorithm: str, hyperparameters: Mapping[str, str]) -> list[str]:
    kinds = _tables()["EstimatorKinds"]
    # The kind of GridSearchCV is the kind of its estimator.
    kind = kinds.get(algorithm) or kinds.get(hyperparameters.get("estimator", ""))
    return list(_tables()["EstimatorMetrics"].get(kind, ()))


@cache
def _tables() -> dict[str, Any]:
    text = files(__package__).joinpath("hyperparameters.json").read_text(encoding="utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables


def _pattern(channel: str, metric: str) -> str:
    # The value ends with its last digit: CloudWatch shows the tab after it as #011.
    return rf"{channel}-{re.escape(metric)}:([-+0-9.eE]+)"
