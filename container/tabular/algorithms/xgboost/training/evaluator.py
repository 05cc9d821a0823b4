"""Each round's metrics: XGBoost's own, those it lacks, and the line that carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xgboost

from tabular.algorithms.xgboost.metrics import normal_form, ours
from tabular.algorithms.xgboost.training.collectives import allreduce_sum
from tabular.algorithms.xgboost.training.scores import statistics, values


class Evaluator:
    """Evaluates a model on some matrices, the same on every host.

    Parameters
    ----------
    matrices : Mapping[str, DMatrix]
        By the channel's name, in the order of the log lines.
    asked : Sequence[str]
        Metrics, in the order of the log lines; empty for XGBoost's default of the objective.
    """

    def __init__(
        self,
        matrices: Mapping[str, xgboost.DMatrix],
        asked: Sequence[str],
        objective: str,
        num_class: int,
    ) -> None:
        self.matrices = matrices
        self._asked = asked
        self._ours = ours(asked)
        self._objective, self._num_class = objective, num_class
        self._labels = {name: matrix.get_label() for name, matrix in matrices.items() if self._ours}

    def evaluate(self, booster: xgboost.Booster, number: int) -> dict[str, float]:
        """Compute the metrics after a round.

        Returns
        -------
        dict of str to float
            ``train-rmse`` and the like, in the order of the log line.
        """
        evals = [(matrix, name) for name, matrix in self.matrices.items()]
        found = parse_evaluation(str(booster.eval_set(evals, number)))
        for name, matrix in self.matrices.items() if self._ours else ():
            sums = statistics(
                self._ours,
                booster.predict(matrix),
                self._labels[name],
                self._objective,
                self._num_class,
            )
            found[name].update(
                values(self._ours, allreduce_sum(sums), self._objective, self._num_class)
            )
        return ordered(found, self._asked)


def parse_evaluation(text: str) -> dict[str, dict[str, float]]:
    r"""Read what ``Booster.eval_set`` returns.

    Parameters
    ----------
    text : str
        ``[0]\ttrain-rmse:0.35465179594850071\tvalidation-rmse:...``. XGBoost writes 17 digits
        after the point: values from 0.1 up come whole, smaller ones to within 5e-18. The names of
        the data must be without a hyphen.

    Returns
    -------
    dict
        For each data, in their order, its metrics in theirs.
    """
    values: dict[str, dict[str, float]] = {}
    for item in text.split("\t")[1:]:
        name, _, value = item.rpartition(":")
        data, _, metric = name.partition("-")
        values.setdefault(data, {})[metric] = float(value)
    return values


def ordered(
    values: Mapping[str, Mapping[str, float]], asked: Sequence[str] = ()
) -> dict[str, float]:
    """Line up the metrics of a round: all of the first data, then all of the next.

    Parameters
    ----------
    values : mapping
        For each data (train, then validation) its metrics.
    asked : sequence of str
        ``eval_metric``. Those not asked for stand first: the default of the objective, which
        XGBoost adds when all that are asked for are ours.

    Returns
    -------
    dict
        ``train-auc`` and the like, in the order of the log line, which is the same on every host.

    Raises
    ------
    KeyError
        One that was asked for is not there.
    """
    names = [normal_form(metric) for metric in asked]
    return {
        f"{data}-{metric}": found[metric]
        for data, found in values.items()
        for metric in (*(name for name in found if name not in names), *names)
    }
