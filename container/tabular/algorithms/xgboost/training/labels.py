"""Checks of labels, weights and groups, for XGBoost's objectives.

Labels and weights are checked batch by batch, while the place of each row in its file is known.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from tabular.algorithms.xgboost.objective import Kind
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.class_labels import TextLabelsError
from tabular.data.store import Store

log = logging.getLogger(__name__)


def check(batch: Batch, path: Path, objective: str, num_class: int) -> None:
    """Refuse labels that the objective can't learn from, and negative weights.

    Raises
    ------
    UserError
        Names the file, the place and the value of the first wrong row. TextLabelsError for a label
        of a classification.
    """
    rule = OBJECTIVES[objective].labels
    if rule is not None and not batch.classes:
        wrong = np.flatnonzero(~rule.holds(batch.label, num_class))
        if wrong.size:
            row = int(wrong[0])
            kind = TextLabelsError if OBJECTIVES[objective].is_classification else UserError
            raise kind(
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
    """Refuse a feature index that makes more columns than fit into memory.

    Parameters
    ----------
    most : int
        The largest number of columns that fits into memory.

    Raises
    ------
    UserError
        Names the file, the place and the index.
    """
    width = batch.features.shape[1]
    if width <= most:
        return
    reason = f"which makes {width:,} columns, and the container has memory for {most:,}"
    remedy = "number the features without gaps, or use an instance type with more memory"
    if isinstance(batch.features, np.ndarray):
        raise UserError(f"{path} has {width:,} columns, and the container has memory for {most:,}")
    indices = batch.features.indices
    largest = int(indices.max(initial=-1))
    if largest + 1 < width:  # the shape of a RecordIO record sets the width
        raise UserError(f"{path}: a record has a shape of {width:,}, {reason}; {remedy}")
    row = int(np.searchsorted(batch.features.indptr, indices.argmax(), "right")) - 1
    raise UserError(f"{path} {batch.where(row)} has the index {largest:,}, {reason}; {remedy}")


def check_groups(store: Store, channel: str, objective: str) -> None:
    """Refuse groups whose rows are not contiguous, and weights that differ within a group.

    Raises
    ------
    UserError
        Names the channel and the group.
    """
    qid = store.qid
    ranking = OBJECTIVES[objective].kind is Kind.RANKING
    if qid is None:
        if ranking:
            log.warning(
                "channel '%s' has no groups (qid in LIBSVM, the hyperparameter group for named "
                "columns): %s treats all rows of the channel as one group",
                channel,
                objective,
            )
        return
    begins = np.flatnonzero(np.concatenate(([True], qid[1:] != qid[:-1])))
    groups, counts = np.unique(qid[begins], return_counts=True)
    if counts.max() > 1:
        raise UserError(
            f"channel '{channel}': the rows of group {groups[counts.argmax()]} are not "
            "contiguous; sort the rows by their group, over all files in the order of their names"
        )
    if store.weight is not None and ranking:
        highest = np.maximum.reduceat(store.weight, begins)
        lowest = np.minimum.reduceat(store.weight, begins)
        if (highest != lowest).any():
            group = qid[begins][(highest != lowest).argmax()]
            raise UserError(
                f"channel '{channel}': rows of group {group} have different weights; "
                f"{objective} weighs whole groups: give all rows of a group the same weight"
            )
