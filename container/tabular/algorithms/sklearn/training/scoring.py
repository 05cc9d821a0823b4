"""The metrics of a fitted estimator, with the names of AWS's XGBoost container."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from tabular.algorithms.sklearn.catalogue import CLASSIFIER, CLUSTERER, OUTLIER_DETECTOR, REGRESSOR
from tabular.algorithms.sklearn.training.dataset import Dataset

Array = npt.NDArray[Any]
Measure = Callable[[], Any]
# The silhouette coefficient compares each row with every other row.
SILHOUETTE_ROWS = 2000


def scores_of(model: Any, kind: str, data: Dataset) -> dict[str, float]:
    """Compute the metrics of a fitted model on a data set.

    Returns
    -------
    dict of str to float
        The values by metric name, in the order of the log line. A metric that is not defined for
        these rows (the AUC of a single class) is left out.
    """
    found: dict[str, float] = {}
    if kind not in TABLE:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that no row has
        for name, measure in TABLE[kind](model, data):
            try:
                value = float(measure())
            except ValueError:
                continue
            if np.isfinite(value):
                found[name] = value
    return found


def _of_classes(model: Any, data: Dataset) -> Iterator[tuple[str, Measure]]:
    label, predicted = data.label, model.predict(data.features)
    weights = {"sample_weight": data.weight}
    yield "accuracy", lambda: metrics.accuracy_score(label, predicted, **weights)
    yield "balanced_accuracy", lambda: metrics.balanced_accuracy_score(label, predicted, **weights)
    averaged = {
        "f1": metrics.f1_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }

    def average(name: str, how: str, **more: Any) -> Measure:
        measure = averaged[name]
        return lambda: measure(label, predicted, average=how, zero_division=0, **more, **weights)

    # In AWS's container, f1 is the macro average, and precision and recall are those of the second
    # class.
    yield "f1", average("f1", "macro")
    classes = model.classes_
    if len(classes) == 2:
        for name, said in (("f1_binary", "f1"), ("precision", "precision"), ("recall", "recall")):
            yield name, average(said, "binary", pos_label=classes[1])
    for name in averaged:
        yield f"{name}_macro", average(name, "macro")
    for name in ("precision", "recall"):
        yield f"{name}_micro", average(name, "micro")
    if hasattr(model, "predict_proba"):
        chances = model.predict_proba(data.features)
        yield "logloss", lambda: metrics.log_loss(label, chances, labels=classes, **weights)
        if len(classes) == 2:
            yield "auc", lambda: metrics.roc_auc_score(label, chances[:, 1], **weights)
        else:
            yield (
                "auc",
                lambda: metrics.roc_auc_score(
                    label, chances, multi_class="ovr", labels=classes, **weights
                ),
            )


def _of_numbers(model: Any, data: Dataset) -> Iterator[tuple[str, Measure]]:
    label, predicted = data.label, model.predict(data.features)
    weights = {"sample_weight": data.weight}
    yield "rmse", lambda: metrics.root_mean_squared_error(label, predicted, **weights)
    yield "mse", lambda: metrics.mean_squared_error(label, predicted, **weights)
    yield "mae", lambda: metrics.mean_absolute_error(label, predicted, **weights)
    yield "r2", lambda: metrics.r2_score(label, predicted, **weights)


def _of_clusters(model: Any, data: Dataset) -> Iterator[tuple[str, Measure]]:
    predicted = model.predict(data.features)
    features = model[:-1].transform(data.features) if hasattr(model, "steps") else data.features
    yield "clusters", lambda: len(np.unique(predicted))
    size = min(len(data), SILHOUETTE_ROWS)
    yield (
        "silhouette",
        lambda: metrics.silhouette_score(features, predicted, sample_size=size, random_state=0),
    )


def _of_outliers(model: Any, data: Dataset) -> Iterator[tuple[str, Measure]]:
    predicted = model.predict(data.features)
    yield "outlier_fraction", lambda: (predicted == -1).mean()


TABLE: dict[str, Callable[[Any, Dataset], Iterator[tuple[str, Measure]]]] = {
    CLASSIFIER: _of_classes,
    REGRESSOR: _of_numbers,
    CLUSTERER: _of_clusters,
    OUTLIER_DETECTOR: _of_outliers,
}
# The metrics that the functions above yield, with the direction of improvement; None if a metric
# has no direction.
MAXIMIZE, MINIMIZE = "Maximize", "Minimize"
METRICS: dict[str, dict[str, str | None]] = {
    CLASSIFIER: {
        "accuracy": MAXIMIZE,
        "balanced_accuracy": MAXIMIZE,
        "f1": MAXIMIZE,
        "f1_binary": MAXIMIZE,
        "precision": MAXIMIZE,
        "recall": MAXIMIZE,
        "f1_macro": MAXIMIZE,
        "precision_macro": MAXIMIZE,
        "recall_macro": MAXIMIZE,
        "precision_micro": MAXIMIZE,
        "recall_micro": MAXIMIZE,
        "logloss": MINIMIZE,
        "auc": MAXIMIZE,
    },
    REGRESSOR: {"rmse": MINIMIZE, "mse": MINIMIZE, "mae": MINIMIZE, "r2": MAXIMIZE},
    CLUSTERER: {"clusters": None, "silhouette": MAXIMIZE},
    OUTLIER_DETECTOR: {"outlier_fraction": None},
}
