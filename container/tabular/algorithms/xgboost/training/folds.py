"""k-fold cross-validation: which fold each row falls into, and what is reported of the folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tabular.algorithms.xgboost.training.scores import Doubles, Numbers, predicted_classes
from tabular.artifact.files import not_written
from tabular.contract.errors import UserError
from tabular.training.metric_lines import metric_line

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.csv"


def is_classification(objective: str) -> bool:
    """Tell whether folds keep the share of each class, and predictions.csv has a class."""
    return objective.startswith(("binary:", "multi:"))


def folds(
    label: Numbers,
    num_folds: int,
    repeats: int,
    stratified: bool,
    seed: int,
    of: str = "rows",
) -> npt.NDArray[np.int32]:
    """Deal the rows into folds, by chance and anew for each repeat.

    Parameters
    ----------
    label : array, (rows,)
        Of this host's rows; each host deals its own.
    stratified : bool
        Keep the share of each label: its rows in any two folds differ by one at most.
    seed : int
        The same seed, data and NumPy give the same folds. Negative ones are fine.
    of : str
        What is dealt, for the message.

    Returns
    -------
    int32 array, (repeats, rows)
        The number of the fold that holds the row out. Sizes of folds differ by one at most.

    Raises
    ------
    UserError
        There are more folds than rows.
    """
    rows = len(label)
    if num_folds > rows:
        raise UserError(
            f"Hyperparameter _kfold: {num_folds} folds need as many {of}, and there are {rows}; "
            f"set _kfold to {rows} or less, or bring more {of}"
        )
    if stratified:
        _warn_of_rare_classes(label, num_folds)
    draw = np.random.default_rng(seed & 0xFFFF_FFFF)
    numbers = np.empty((repeats, rows), np.int32)
    turns = np.arange(rows, dtype=np.int32) % num_folds
    for each in numbers:
        # Rows are dealt like cards; where they lie sorted by label, each fold gets its share.
        order = draw.permutation(rows)
        each[order[np.argsort(label[order], kind="stable")] if stratified else order] = turns
    return numbers


def _warn_of_rare_classes(label: Numbers, num_folds: int) -> None:
    classes, counts = np.unique(label, return_counts=True)
    rare = int(counts.argmin())
    if counts[rare] < num_folds:
        log.warning(
            "label %g has %d row%s, fewer than the %d folds: some folds hold none of it "
            "(labels as rare: %d)",
            classes[rare],
            counts[rare],
            "s" * int(counts[rare] > 1),
            num_folds,
            np.count_nonzero(counts < num_folds),
        )


def summary_line(
    num_round: int, results: Sequence[Mapping[str, float]], clock: str | None = None
) -> str:
    """Write the line of a whole cross-validation: the means over its folds.

    Parameters
    ----------
    results : sequence of mappings
        For each fold the metrics of its last round, as ``metric_lines.ordered`` returns them.
    clock : str or None
        As for ``metric_line``.

    Returns
    -------
    str
        In AWS's order: the first metric of all data, then the next.
    """
    metrics = dict.fromkeys(name.partition("-")[2] for name in results[0])
    names = (name for metric in metrics for name in results[0] if name.partition("-")[2] == metric)
    means = {name: float(np.mean([result[name] for result in results])) for name in names}
    return metric_line(num_round, means, clock)


class HeldOutPredictions:
    """What the models say of the rows that they were not trained on.

    Parameters
    ----------
    label : array, (rows,)
    repeats : int
        How often each row is held out.
    """

    def __init__(self, label: Numbers, repeats: int, objective: str) -> None:
        self._label = label
        self._objective = objective
        self._shape = (repeats, len(label))
        self._outputs: Numbers | None = None
        self._classes = np.zeros(self._shape if is_classification(objective) else 0, np.int32)

    def add(self, repeat: int, rows: Numbers, predictions: Numbers) -> None:
        """Take the predictions for a fold.

        Parameters
        ----------
        repeat : int
            From 0.
        rows : integer array, or boolean array of all rows
            Which rows they are for.
        predictions : array
            ``Booster.predict``.
        """
        outputs = predictions
        if is_classification(self._objective):
            self._classes[repeat, rows] = predicted_classes(predictions, self._objective)
            outputs = _probability(predictions, self._objective)
        outputs = outputs.reshape(len(predictions), -1)
        if self._outputs is None:
            self._outputs = np.full((*self._shape, outputs.shape[1]), np.nan, np.float32)
        self._outputs[repeat, rows] = outputs

    def table(self) -> Doubles:
        """Join the repeats.

        Returns
        -------
        float64 array, (rows, 2 or more)
            Regression and ranking: the label and the mean prediction (one column for each, when
            a row has several). Classification: the label, the mean probability and the class
            that most repeats say, the lowest of them at a tie.

            The probability is that of class 1 with ``binary:``, and with ``multi:softprob`` that
            of the class which the repeat says, as in AWS's container. ``binary:hinge`` and
            ``multi:softmax`` give no probabilities: there it is the share of repeats that say
            class 1, or the class in the third column.
        """
        if self._outputs is None:
            raise ValueError("no predictions were added")
        mean = self._outputs.mean(axis=0, dtype=np.float64)
        if not is_classification(self._objective):
            return np.column_stack([self._label, mean])
        mode = _mode(self._classes)
        if self._objective == "multi:softmax":
            mean = (self._classes == mode).mean(axis=0)
        return np.column_stack([self._label, mean, mode]).astype(np.float64)


def write_predictions(table: Doubles, folder: Path) -> Path:
    """Write ``predictions.csv``, in AWS's form: ``%f``, commas, no header.

    Raises
    ------
    PlatformError
        The disk is full or the folder can't be written.
    """
    path = folder / PREDICTIONS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, table, delimiter=",", fmt="%f")
    except OSError as error:
        raise not_written(path, error) from error
    return path


def _probability(predictions: Numbers, objective: str) -> Numbers:
    if objective == "binary:logitraw":
        probability: Numbers = 0.5 * (1 + np.tanh(0.5 * predictions))
        return probability
    return predictions.max(axis=1) if predictions.ndim > 1 else predictions


def _mode(classes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Find the most frequent value of each column, the lowest one at a tie."""
    ranks = np.sort(classes, axis=0)
    best: npt.NDArray[np.int32] = ranks[0].copy()
    run = longest = np.ones(classes.shape[1], np.int32)
    for before, now in pairwise(ranks):
        run = np.where(now == before, run + 1, 1)
        np.copyto(best, now, where=run > longest)
        longest = np.maximum(longest, run)
    return best
