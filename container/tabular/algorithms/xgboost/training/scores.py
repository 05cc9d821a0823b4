"""The metrics that XGBoost does not have, such as accuracy, f1 and r2.

Each host counts ``statistics`` of its rows; the hosts add them up; ``values`` computes the metrics
from the totals. The values are equal to scikit-learn's, which AWS's container calls, and as in
AWS's container the weights of the rows do not count. A macro average leaves out a class that
neither labels nor predictions have, and 0 / 0 is 0. The objective determines the predicted class;
AWS's container compares probabilities with 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular.algorithms.xgboost.objective import Kind, Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.contract.errors import UserError

Numbers: TypeAlias = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

ERROR_METRICS = ("mse", "r2")
COUNTS = 3  # of each class: correct predictions, labels, predictions
# The sums of: rows, squared errors, labels, and squared labels in two parts. Where labels lie
# close together and far from 0, their variance is a small difference of large sums. The square of
# a float32 has 48 bits; float64 sums of the upper half and of the lower half are exact.
SUMS = 5
UPPER_HALF = np.uint64(0xFFFF_FFFF_F800_0000)
BLOCK_ROWS = 1 << 15  # the arrays of a block fit into the processor's cache


def statistics(
    metric_names: Sequence[str],
    predictions: Numbers,
    label: Numbers,
    objective: str,
    num_class: int = 0,
) -> Doubles:
    """Count what the metrics need, over the rows of this host.

    Parameters
    ----------
    metric_names : sequence of str
        From ``metrics.computed_here``, checked by ``metrics.metric_error``.
    predictions : array, (rows,) or (rows, classes)
        The result of ``Booster.predict``.
    label : array, (rows,)

    Returns
    -------
    float64 array
        Counts and sums, to be added over the hosts element by element. The length depends on
        ``metric_names``, ``objective`` and ``num_class`` only.

    Raises
    ------
    UserError
        A label is not a class number, or a row has several predictions where the metric needs one.
    """
    parts = []
    if any(name not in ERROR_METRICS for name in metric_names):
        parts.append(_class_counts(predictions, label, objective, num_class))
    if any(name in ERROR_METRICS for name in metric_names):
        parts.append(_error_sums(predictions, label, objective))
    return np.concatenate(parts) if parts else np.zeros(0)


def values(
    metric_names: Sequence[str], totals: Doubles, objective: str, num_class: int = 0
) -> dict[str, float]:
    """Compute the metrics from the statistics of all hosts.

    Returns
    -------
    dict of str to float
        In the order of ``metric_names``; NaN without rows.
    """
    found: dict[str, float] = {}
    if any(name not in ERROR_METRICS for name in metric_names):
        size = COUNTS * _classes(objective, num_class)
        found |= _class_values(totals[:size].reshape(COUNTS, -1))
    if any(name in ERROR_METRICS for name in metric_names):
        found |= _error_values(*totals[-SUMS:].tolist())
    return {name: found[name] for name in metric_names}


def predicted_classes(predictions: Numbers, objective: str) -> Numbers:
    """Return the predicted class of each row: class numbers, or booleans for two classes.

    The lower class wins a tie; the probability 0.5 is class 0.

    Parameters
    ----------
    predictions : array
        As for ``statistics``.
    """
    row = OBJECTIVES[objective]
    if row.kind is Kind.MULTICLASS:
        if row.predicts is Predicts.CLASSES:
            return predictions.astype(np.int32)
        most_probable: Numbers = predictions.argmax(axis=1)
        return most_probable
    above: Numbers = predictions > (0 if row.predicts is Predicts.MARGINS else 0.5)
    return above


def _classes(objective: str, num_class: int) -> int:
    return num_class if OBJECTIVES[objective].kind is Kind.MULTICLASS else 2


def _class_counts(predictions: Numbers, label: Numbers, objective: str, num_class: int) -> Doubles:
    classes = _classes(objective, num_class)
    predicted = predicted_classes(predictions, objective)
    if classes == 2 and predicted.dtype == bool:
        truth = label > 0.5
        _require_classes(label, truth, classes)
        rows, ones, positives = len(label), np.count_nonzero(truth), np.count_nonzero(predicted)
        both = np.count_nonzero(truth & predicted)
        counts = [
            [rows - ones - positives + both, both],
            [rows - ones, ones],
            [rows - positives, positives],
        ]
        return np.array(counts, np.float64).ravel()
    with np.errstate(invalid="ignore"):  # _require_classes refuses NaN
        truth = label.astype(np.int32)
    _require_classes(label, truth, classes)
    correct = truth[truth == predicted]
    return np.concatenate(
        [np.bincount(each, minlength=classes) for each in (correct, truth, predicted)]
    ).astype(np.float64)


def _require_classes(label: Numbers, truth: Numbers, classes: int) -> None:
    wrong = label != truth
    if truth.dtype != bool:
        wrong |= (truth < 0) | (truth >= classes)
    if wrong.any():
        raise UserError(
            f"accuracy, f1, precision and recall compare classes, but a label is "
            f"{label[wrong.argmax()]:g}; expected a whole number from 0 to {classes - 1}; correct "
            "the labels, or choose another eval_metric, such as logloss"
        )


def _error_sums(predictions: Numbers, label: Numbers, objective: str) -> Doubles:
    if predictions.size != label.size:
        raise UserError(
            f"mse and r2 need one number for each row, objective {objective} predicts "
            f"{predictions.shape[-1]}; choose another eval_metric"
        )
    predictions = predictions.reshape(-1)
    sums = np.zeros(SUMS)
    for start in range(0, len(label), BLOCK_ROWS):
        exact = label[start : start + BLOCK_ROWS].astype(np.float64)
        error = predictions[start : start + BLOCK_ROWS] - exact
        squares = exact * exact
        high = (squares.view(np.uint64) & UPPER_HALF).view(np.float64)
        sums += (
            len(exact),
            np.square(error, out=error).sum(),
            exact.sum(),
            high.sum(),
            np.subtract(squares, high, out=squares).sum(),
        )
    return sums


def _class_values(counts: Doubles) -> dict[str, float]:
    correct, labels, predictions = counts
    rows = labels.sum()
    if not rows:
        return dict.fromkeys(CLASS_METRICS, float("nan"))
    present = labels + predictions > 0
    recall, precision = _share(correct, labels), _share(correct, predictions)
    f1 = _share(2 * correct, labels + predictions)
    accuracy = correct.sum() / rows
    found = {
        "accuracy": accuracy,
        "balanced_accuracy": recall[labels > 0].mean(),
        "f1": f1[present].mean(),
        "f1_binary": f1[1],
        "f1_macro": f1[present].mean(),
        "precision": precision[1],
        "precision_macro": precision[present].mean(),
        "precision_micro": accuracy,  # equal to accuracy, as each row has one class
        "recall": recall[1],
        "recall_macro": recall[present].mean(),
        "recall_micro": accuracy,
    }
    return {name: float(value) for name, value in found.items()}


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _error_values(
    rows: float, errors: float, labels: float, high: float, low: float
) -> dict[str, float]:
    if not rows:
        return dict.fromkeys(ERROR_METRICS, float("nan"))
    r2 = float("nan")
    if rows > 1 and isfinite(labels) and isfinite(high):
        variance = float(Fraction(high) + Fraction(low) - Fraction(labels) ** 2 / Fraction(rows))
        r2 = 1 - errors / variance if variance > 0 else float(errors == 0)
    return {"mse": errors / rows, "r2": r2}


CLASS_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "precision",
    "precision_macro",
    "precision_micro",
    "recall",
    "recall_macro",
    "recall_micro",
)
