"""Evaluation metrics: which there are, and the log lines that carry them.

Regular expressions of customers and of SageMaker's tuner read these lines, so their form is
that of AWS's container to the byte: ``[0]``, then for each metric a tab and
``train-rmse:2.70371``. CloudWatch shows the tab as ``#011``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

import xgboost
from xgboost.callback import TrainingCallback

# XGBoost's own; those with a number after @ below.
METRICS = (
    "auc",
    "aucpr",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "logloss",
    "mae",
    "map",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "ndcg",
    "poisson-nloglik",
    "rmse",
    "rmsle",
)
WITH_THRESHOLD = ("error", "ndcg", "map")
MAXIMIZED = frozenset({"auc", "aucpr", "map", "ndcg"})
NEEDS_CLASSES = frozenset({"merror", "mlogloss"})


def name_of(metric: str) -> str:
    """Strip the threshold: ``ndcg`` of ``ndcg@5``."""
    return metric.partition("@")[0]


def is_maximized(metric: str) -> bool:
    """Tell whether more is better, for ``ndcg@5`` as for ``ndcg``."""
    return name_of(metric) in MAXIMIZED


def normal_form(metric: str) -> str:
    """Spell a threshold as XGBoost does in its log: ``error@0.7`` for ``error@.70``."""
    name, at, threshold = metric.partition("@")
    return f"{name}@{float(threshold):g}" if at and _is_float(threshold) else metric


def metric_error(metric: str, objective: str) -> str | None:
    """Say why a metric can't be used with an objective, or None when it can."""
    name, at, threshold = metric.partition("@")
    if at and name not in WITH_THRESHOLD:
        return (
            f"Metric '{metric[:80]}' is not supported. Parameter 'eval_metric' with customized "
            "threshold should be one of these options: 'error', 'ndcg', 'map'."
        )
    if at and not _is_float(threshold):
        return f"Threshold value '{threshold}' in '{metric}' expects float input."
    if name not in METRICS:
        known = ", ".join(METRICS)
        return f"Hyperparameter eval_metric: value ['{metric[:80]}'] not in range [{known}]"
    if name in NEEDS_CLASSES and not objective.startswith("multi:"):
        return (
            f"Metric '{metric}' needs objective multi:softmax or multi:softprob, the objective is "
            f"{objective}"
        )
    return None


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class MetricLines(TrainingCallback):
    """Writes one line a round, and keeps the values of each in ``rounds``.

    Parameters
    ----------
    stream : TextIO
        Flushed after each line, so that no line is lost at a kill.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rounds: list[dict[str, float]] = []
        self._stream = stream

    def after_iteration(
        self, model: xgboost.Booster, epoch: int, evals_log: TrainingCallback.EvalsLog
    ) -> bool:
        """Write the round's line; never stops training."""
        values = _last_values(evals_log)
        self.rounds.append(values)
        items = (f"\t{name}:{value:.5f}" for name, value in values.items())
        self._stream.write(f"[{epoch}]{''.join(items)}\n")
        self._stream.flush()
        return False


def _last_values(evals_log: Mapping[str, Mapping[str, Sequence[object]]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for data, metrics in evals_log.items():
        for metric, history in metrics.items():
            last = history[-1]
            values[f"{data}-{metric}"] = float(last[0] if isinstance(last, tuple) else last)  # type: ignore[arg-type]
    return values
