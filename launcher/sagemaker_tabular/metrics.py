"""Metric definitions: what SageMaker reads from a training job's log."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

# What XGBoost reports when eval_metric does not say: https://xgboost.readthedocs.io, "Learning
# Task Parameters".
DEFAULT_OBJECTIVE = "reg:squarederror"
DEFAULT_METRICS = {
    "binary:hinge": "error",
    "binary:logistic": "logloss",
    "binary:logitraw": "logloss",
    "count:poisson": "poisson-nloglik",
    "multi:softmax": "mlogloss",
    "multi:softprob": "mlogloss",
    "rank:map": "map@32",
    "rank:ndcg": "ndcg@32",
    "rank:pairwise": "ndcg@32",
    "reg:absoluteerror": "mae",
    "reg:gamma": "gamma-deviance",
    "reg:linear": "rmse",
    "reg:logistic": "rmse",
    "reg:pseudohubererror": "mphe",
    "reg:quantileerror": "quantile",
    "reg:squarederror": "rmse",
    "reg:squaredlogerror": "rmsle",
    "survival:aft": "aft-nloglik",
    "survival:cox": "cox-nloglik",
}
WATCHED_CHANNELS = ("train", "validation")


def metric_definitions(
    hyperparameters: Mapping[str, str], channels: Collection[str]
) -> list[dict[str, str]]:
    """Define ``train:<metric>`` and ``validation:<metric>`` for a job.

    Parameters
    ----------
    hyperparameters : Mapping[str, str]
        ``eval_metric`` (comma separated) counts, or else the default of ``objective``.
    channels : Collection[str]
        Names of the job's channels; only ``train`` and ``validation`` are measured.

    Returns
    -------
    list of dict
        Name and Regex, as CreateTrainingJob takes them, under the names that AWS's built-in
        XGBoost has. Empty when the metric can't be told.
    """
    return [
        {"Name": f"{channel}:{metric}", "Regex": _pattern(channel, metric)}
        for channel in WATCHED_CHANNELS
        if channel in channels
        for metric in _metrics(hyperparameters)
    ]


def _metrics(hyperparameters: Mapping[str, str]) -> list[str]:
    chosen = [name.strip() for name in hyperparameters.get("eval_metric", "").split(",")]
    if any(chosen):
        return list(dict.fromkeys(filter(None, chosen)))
    objective = hyperparameters.get("objective", DEFAULT_OBJECTIVE)
    if objective == "reg:tweedie":
        return [f"tweedie-nloglik@{hyperparameters.get('tweedie_variance_power', '1.5')}"]
    return [DEFAULT_METRICS[objective]] if objective in DEFAULT_METRICS else []


def _pattern(channel: str, metric: str) -> str:
    # A digit must end it: CloudWatch shows the tab before the next metric as #011.
    return rf"{channel}-{re.escape(metric)}:([-+0-9.eE]+)"
