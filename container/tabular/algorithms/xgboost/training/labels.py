"""Which labels an objective takes; checked before training, where the row is still known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats
from tabular.data.store import Store

log = logging.getLogger(__name__)

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
    # Which labels above 31 ndcg_exp_gain refuses is XGBoost's to say.
    "rank:ndcg": NOT_NEGATIVE,
    "rank:pairwise": NOT_NEGATIVE,
    "rank:map": Rule(
        "label must be 0 or 1 for rank:map",
        lambda label, classes: (label == 0) | (label == 1),
    ),
}


def check(batch: Batch, path: Path, objective: str, num_class: int) -> None:
    """Refuse labels that the objective can't learn from, and negative weights.

    Raises
    ------
    UserError
        Names file, place and value of the first such row.
    """
    rule = RULES.get(objective)
    if rule is not None:
        wrong = np.flatnonzero(~rule.holds(batch.label, num_class))
        if wrong.size:
            row = int(wrong[0])
            raise UserError(
                f"{rule.words}: {path} {batch.where(row)} has label {batch.label[row]:g} with "
                f"objective {objective}{f', num_class {num_class}' if num_class else ''}; the "
                "label is the first column, or the one that the hyperparameter target names"
            )
    if batch.weight is not None:
        wrong = np.flatnonzero(~(batch.weight >= 0))
        if wrong.size:
            row = int(wrong[0])
            raise UserError(
                f"a weight must not be negative: {path} {batch.where(row)} has weight "
                f"{batch.weight[row]:g}"
            )


def check_width(batch: Batch, path: Path, most: int) -> None:
    """Refuse an index that makes more columns than memory takes.

    Parameters
    ----------
    most : int
        How many columns there may be.

    Raises
    ------
    UserError
        Names file, place and index.
    """
    width = batch.features.shape[1]
    if width <= most:
        return
    said = f"which makes {width:,} columns, and the container has memory for {most:,}"
    cure = "number the features without gaps, or use an instance type with more memory"
    if isinstance(batch.features, np.ndarray):
        raise UserError(f"{path} has {width:,} columns, and the container has memory for {most:,}")
    indices = batch.features.indices
    largest = int(indices.max(initial=-1))
    if largest + 1 < width:  # a record's shape
        raise UserError(f"{path}: a record has a shape of {width:,}, {said}; {cure}")
    row = int(np.searchsorted(batch.features.indptr, indices.argmax(), "right")) - 1
    raise UserError(f"{path} {batch.where(row)} has the index {largest:,}, {said}; {cure}")


def check_groups(store: Store, channel: str, objective: str) -> None:
    """Refuse groups that are torn apart, and weights that differ within a group.

    Raises
    ------
    UserError
        Names the channel and the group.
    """
    qid = store.qid
    if qid is None:
        if objective.startswith("rank:"):
            log.warning(
                "channel '%s' has no groups (qid in LIBSVM, the hyperparameter group for named "
                "columns): %s takes all of its rows for one group",
                channel,
                objective,
            )
        return
    begins = np.flatnonzero(np.concatenate(([True], qid[1:] != qid[:-1])))
    groups, counts = np.unique(qid[begins], return_counts=True)
    if counts.max() > 1:
        raise UserError(
            f"channel '{channel}': the rows of group {groups[counts.argmax()]} do not stand "
            "together; sort the rows by their group, over all files in the order of their names"
        )
    if store.weight is not None and objective.startswith("rank:"):
        highest = np.maximum.reduceat(store.weight, begins)
        lowest = np.minimum.reduceat(store.weight, begins)
        if (highest != lowest).any():
            group = qid[begins][(highest != lowest).argmax()]
            raise UserError(
                f"channel '{channel}': rows of group {group} have different weights; "
                f"{objective} weighs whole groups: give all rows of a group the same weight"
            )
