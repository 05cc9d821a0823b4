"""The metrics that XGBoost lacks: sums that add up over hosts, and what follows from them.

Values are scikit-learn's, which AWS's container calls, and like there without the rows' weights:
a class that neither labels nor predictions have is left out of macro averages, and a share of
nothing is 0. Unlike there, classes are told as the objective predicts them (AWS's container
compares probabilities with 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError

Numbers: TypeAlias = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

OF_ERRORS = ("mse", "r2")
COUNTS = 3  # for each class: right ones, labels, predictions
# Rows, squared errors, labels, and the squares of the labels in two parts. Where labels lie close
# together and far from 0, their spread is a small difference of large sums. The square of a 32-bit
# number has 48 digits; sums of the upper and of the lower half are exact in 64 bits.
SUMS = 5
UPPER_HALF = np.uint64(0xFFFF_FFFF_F800_0000)
BLOCK_ROWS = 1 << 15  # what is made of them stays in the processor's cache


def statistics(
    metric_names: Sequence[str],
    predictions: Numbers,
    label: Numbers,
    objective: str,
    num_class: int = 0,
) -> Doubles:
    """Count what the metrics need, in one pass for all of them.

    Parameters
    ----------
    metric_names : sequence of str
        Those of ``metrics.ours``, checked by ``metrics.metric_error``.
    predictions : array, (rows,) or (rows, classes)
        ``Booster.predict``: what the objective gives, margins for ``binary:logitraw`` only.
    label : array, (rows,)

    Returns
    -------
    float64 array
        To be summed over the hosts, element by element; its length depends on the names,
        ``objective`` and ``num_class`` alone.

    Raises
    ------
    UserError
        A label is no class number, or a row has several predictions where one is needed.
    """
    parts = []
    if any(name not in OF_ERRORS for name in metric_names):
        parts.append(_class_counts(predictions, label, objective, num_class))
    if any(name in OF_ERRORS for name in metric_names):
        parts.append(_error_sums(predictions, label, objective))
    return np.concatenate(parts) if parts else np.zeros(0)


def values(
    metric_names: Sequence[str], totals: Doubles, objective: str, num_class: int = 0
) -> dict[str, float]:
    """Compute the metrics from their summed statistics.

    Returns
    -------
    dict
        In the order of ``metric_names``. NaN when there are no rows.
    """
    found: dict[str, float] = {}
    if any(name not in OF_ERRORS for name in metric_names):
        size = COUNTS * _classes(objective, num_class)
        found |= _class_values(totals[:size].reshape(COUNTS, -1))
    if any(name in OF_ERRORS for name in metric_names):
        found |= _error_values(*totals[-SUMS:].tolist())
    return {name: found[name] for name in metric_names}


def predicted_classes(predictions: Numbers, objective: str) -> Numbers:
    """Tell each row's class: an integer array, or a boolean one when there are two.

    Parameters
    ----------
    predictions : array
        As for ``statistics``. A tie goes to the lower class; 0.5 is class 0.
    """
    if objective == "multi:softmax":
        return predictions.astype(np.int32)
    if objective.startswith("multi:"):
        widest: Numbers = predictions.argmax(axis=1)
        return widest
    above: Numbers = predictions > (0 if objective == "binary:logitraw" else 0.5)
    return above


def _classes(objective: str, num_class: int) -> int:
    return num_class if objective.startswith("multi:") else 2


def _class_counts(predictions: Numbers, label: Numbers, objective: str, num_class: int) -> Doubles:
    classes = _classes(objective, num_class)
    predicted = predicted_classes(predictions, objective)
    if classes == 2 and predicted.dtype == bool:
        truth = label > 0.5
        _require_classes(label, truth, classes)
        rows, ones, said = len(label), np.count_nonzero(truth), np.count_nonzero(predicted)
        both = np.count_nonzero(truth & predicted)
        counts = [[rows - ones - said + both, both], [rows - ones, ones], [rows - said, said]]
        return np.array(counts, np.float64).ravel()
    with np.errstate(invalid="ignore"):  # NaN: refused in the next line
        truth = label.astype(np.int32)
    _require_classes(label, truth, classes)
    right = truth[truth == predicted]
    return np.concatenate(
        [np.bincount(each, minlength=classes) for each in (right, truth, predicted)]
    ).astype(np.float64)


def _require_classes(label: Numbers, truth: Numbers, classes: int) -> None:
    wrong = label != truth
    if truth.dtype != bool:
        wrong |= (truth < 0) | (truth >= classes)
    if wrong.any():
        raise UserError(
            f"accuracy, f1, precision and recall compare classes, but a label is "
            f"{label[wrong.argmax()]:g}; expected a whole number from 0 to {classes - 1}; mend the "
            "labels, or choose another eval_metric, such as logloss"
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
    right, labels, said = counts
    rows = labels.sum()
    if not rows:
        return dict.fromkeys(CLASS_METRICS, float("nan"))
    there = labels + said > 0
    recall, precision = _share(right, labels), _share(right, said)
    f1 = _share(2 * right, labels + said)
    accuracy = right.sum() / rows
    found = {
        "accuracy": accuracy,
        "balanced_accuracy": recall[labels > 0].mean(),
        "f1": f1[there].mean(),
        "f1_binary": f1[1],
        "f1_macro": f1[there].mean(),
        "precision": precision[1],
        "precision_macro": precision[there].mean(),
        "precision_micro": accuracy,  # one class a row: a wrong one is missing elsewhere
        "recall": recall[1],
        "recall_macro": recall[there].mean(),
        "recall_micro": accuracy,
    }
    return {name: float(value) for name, value in found.items()}


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _error_values(
    rows: float, errors: float, labels: float, high: float, low: float
) -> dict[str, float]:
    if not rows:
        return dict.fromkeys(OF_ERRORS, float("nan"))
    r2 = float("nan")
    if rows > 1 and isfinite(labels) and isfinite(high):
        spread = float(Fraction(high) + Fraction(low) - Fraction(labels) ** 2 / Fraction(rows))
        r2 = 1 - errors / spread if spread > 0 else float(errors == 0)
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
