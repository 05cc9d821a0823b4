"""Which labels an objective takes; checked before training, where the row is still known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data import csv
from tabular.data.batch import Floats, Rows

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """What labels must be: the words (AWS's where it has some) and the test of an array."""

    words: str
    holds: Callable[[Floats, int], Any]


PROBABILITY = Rule(
    "label must be in [0,1] for logistic regression",
    lambda label, classes: (label >= 0) & (label <= 1),
)
NOT_NEGATIVE = Rule("label must be nonnegative", lambda label, classes: label >= 0)
CLASS_NUMBER = Rule(
    "label must be in [0, num_class) and whole",
    lambda label, classes: (label >= 0) & (label < classes) & (label == np.floor(label)),
)

RULES = {
    "binary:logistic": PROBABILITY,
    "binary:logitraw": PROBABILITY,
    "reg:logistic": PROBABILITY,
    "binary:hinge": Rule(
        "label must be 0 or 1 for hinge loss",
        lambda label, classes: (label == 0) | (label == 1),
    ),
    "multi:softmax": CLASS_NUMBER,
    "multi:softprob": CLASS_NUMBER,
    "count:poisson": NOT_NEGATIVE,
    "reg:tweedie": NOT_NEGATIVE,
    "reg:gamma": Rule("label must be positive", lambda label, classes: label > 0),
    "reg:squaredlogerror": Rule("label must be greater than -1", lambda label, classes: label > -1),
}


def check_weights(rows: Rows) -> None:
    """Refuse negative weights.

    Raises
    ------
    UserError
        Names file, line and weight of the first such row.
    """
    if rows.batch.weight is None:
        return
    wrong = np.flatnonzero(rows.batch.weight < 0)
    if wrong.size:
        path, row = rows.origin(int(wrong[0]))
        raise UserError(
            f"a weight must not be negative: {path} line {csv.line_of(path, row)} has "
            f"{rows.batch.weight[wrong[0]]:g} in its second column, which csv_weights=1 makes the "
            "weight"
        )


def check_labels(rows: Rows, objective: str, num_class: int) -> None:
    """Refuse labels that the objective can't learn from.

    Raises
    ------
    UserError
        Names file, line and label of the first such row.
    """
    rule = RULES.get(objective)
    if rule is None:
        return
    wrong = np.flatnonzero(~rule.holds(rows.batch.label, num_class))
    if wrong.size:
        path, row = rows.origin(int(wrong[0]))
        raise UserError(
            f"{rule.words}: {path} line {csv.line_of(path, row)} has label "
            f"{rows.batch.label[wrong[0]]:g} ({wrong.size} such rows) with objective {objective}"
            f"{f', num_class {num_class}' if num_class else ''}; the label is the first column"
        )
