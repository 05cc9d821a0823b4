"""k-fold cross-validation: assign rows to folds, and report on the held-out rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tabular.algorithms.xgboost.objective import Kind, Objective, Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.scores import Doubles, Numbers, predicted_classes
from tabular.artifact.files import not_written
from tabular.contract.errors import UserError
from tabular.training.metric_lines import metric_line

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.csv"


def folds(
    label: Numbers,
    num_folds: int,
    repeats: int,
    stratified: bool,
    seed: int,
    of: str = "rows",
) -> npt.NDArray[np.int32]:
    """Assign each row to a random fold, independently for each repeat.

    Parameters
    ----------
    label : array, (rows,)
        The labels of this host's rows; each host makes the folds of its own rows.
    stratified : bool
        Whether every fold gets the same share of each label: the numbers of its rows in two folds
        differ by at most one.
    seed : int
        May be negative. Equal seed, data and NumPy version give equal folds.
    of : str
        What is assigned, in the plural, for the error message.

    Returns
    -------
    int32 array, (repeats, rows)
        The fold in which the row is held out. The sizes of two folds differ by at most one.

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
        # The rows in random order are assigned to fold 0, 1, 2 and so on, again and again. If the
        # random order is then sorted by label, each fold gets its share of each label.
        order = draw.permutation(rows)
        each[order[np.argsort(label[order], kind="stable")] if stratified else order] = turns
    return numbers


def _warn_of_rare_classes(label: Numbers, num_folds: int) -> None:
    classes, counts = np.unique(label, return_counts=True)
    rare = int(counts.argmin())
    if counts[rare] < num_folds:
        log.warning(
            "label %g has %d row%s, fewer than the %d folds: some folds have no row of this label "
            "(number of such labels: %d)",
            classes[rare],
            counts[rare],
            "s" * int(counts[rare] > 1),
            num_folds,
            np.count_nonzero(counts < num_folds),
        )


def summary_line(
    num_round: int, results: Sequence[Mapping[str, float]], clock: str | None = None
) -> str:
    """Return the log line of a cross-validation: the mean of each metric over the folds.

    Parameters
    ----------
    results : sequence of mappings
        For each fold the metrics of its last round, as ``evaluator.ordered`` returns them.
    clock : str or None
        As for ``metric_line``.

    Returns
    -------
    str
        In AWS's order: the first metric of all data sets, then the second metric.
    """
    metrics = dict.fromkeys(name.partition("-")[2] for name in results[0])
    names = (name for metric in metrics for name in results[0] if name.partition("-")[2] == metric)
    means = {name: float(np.mean([result[name] for result in results])) for name in names}
    return metric_line(num_round, means, clock)


class HeldOutPredictions:
    """The predictions for the rows that a model was not trained on.

    Parameters
    ----------
    label : array, (rows,)
    repeats : int
        How often each row is held out.
    objective : str
    """

    def __init__(self, label: Numbers, repeats: int, objective: str) -> None:
        self._label = label
        self._objective = OBJECTIVES[objective]
        self._shape = (repeats, len(label))
        self._outputs: Numbers | None = None
        self._classes = np.zeros(self._shape if self._objective.is_classification else 0, np.int32)

    def add(self, repeat: int, rows: Numbers, predictions: Numbers) -> None:
        """Add the predictions for the held-out rows of a fold.

        Parameters
        ----------
        repeat : int
            From 0.
        rows : array
            The numbers of the held-out rows, or a boolean array of all rows.
        predictions : array
            The result of ``Booster.predict`` for the held-out rows.
        """
        outputs = predictions
        if self._objective.is_classification:
            self._classes[repeat, rows] = predicted_classes(predictions, self._objective.name)
            outputs = _probability(predictions, self._objective)
        outputs = outputs.reshape(len(predictions), -1)
        if self._outputs is None:
            self._outputs = np.full((*self._shape, outputs.shape[1]), np.nan, np.float32)
        self._outputs[repeat, rows] = outputs

    def table(self) -> Doubles:
        """Combine the repeats into the table of ``predictions.csv``.

        Returns
        -------
        float64 array, (rows, 2 or more)
            Classification: the label, the mean probability over the repeats, and the most
            frequent predicted class, the lowest class at a tie. Other objectives: the label and
            the mean of each prediction.

            The probability is that of class 1 for two classes, and that of the predicted class
            for several classes, as in AWS's container. An objective that predicts classes has no
            probabilities: there the column is the share of repeats that predict class 1 (two
            classes) or the class of the third column (several classes).
        """
        if self._outputs is None:
            raise ValueError("no predictions were added")
        mean = self._outputs.mean(axis=0, dtype=np.float64)
        if not self._objective.is_classification:
            return np.column_stack([self._label, mean])
        mode = _mode(self._classes)
        row = self._objective
        if row.kind is Kind.MULTICLASS and row.predicts is Predicts.CLASSES:
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


def _probability(predictions: Numbers, objective: Objective) -> Numbers:
    if objective.predicts is Predicts.MARGINS:
        probability: Numbers = 0.5 * (1 + np.tanh(0.5 * predictions))
        return probability
    return predictions.max(axis=1) if predictions.ndim > 1 else predictions


def _mode(classes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the most frequent value of each column, the lowest value at a tie."""
    ranks = np.sort(classes, axis=0)
    best: npt.NDArray[np.int32] = ranks[0].copy()
    run = longest = np.ones(classes.shape[1], np.int32)
    for before, now in pairwise(ranks):
        run = np.where(now == before, run + 1, 1)
        np.copyto(best, now, where=run > longest)
        longest = np.maximum(longest, run)
    return best
