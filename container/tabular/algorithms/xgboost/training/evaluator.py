"""The metrics of each round: XGBoost's, and those that XGBoost does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xgboost

from tabular.algorithms.xgboost.metrics import computed_here, normal_form
from tabular.algorithms.xgboost.training.collectives import summed
from tabular.algorithms.xgboost.training.scores import statistics, values


class Evaluator:
    """Evaluates a model on the matrices of the channels; the values are equal on every host.

    Parameters
    ----------
    matrices : Mapping[str, DMatrix]
        By channel, in the order of the log line.
    asked : Sequence[str]
        The metrics of ``eval_metric``, in the order of the log line; empty for XGBoost's default
        metric of the objective.
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
        self._ours = computed_here(asked)
        self._objective, self._num_class = objective, num_class
        self._labels = {name: matrix.get_label() for name, matrix in matrices.items() if self._ours}

    def evaluate(self, booster: xgboost.Booster, number: int) -> dict[str, float]:
        """Compute the metrics of a round.

        Parameters
        ----------
        number : int
            The round, from 0.

        Returns
        -------
        dict of str to float
            By name, such as ``train-rmse``, in the order of the log line.
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
            found[name].update(values(self._ours, summed(sums), self._objective, self._num_class))
        return ordered(found, self._asked)


def parse_evaluation(text: str) -> dict[str, dict[str, float]]:
    r"""Parse what ``Booster.eval_set`` returns.

    Parameters
    ----------
    text : str
        ``[0]\ttrain-rmse:0.35465179594850071\tvalidation-rmse:...``. XGBoost writes 17 digits
        after the decimal point: values from 0.1 are exact, the error of smaller values is at most
        5e-18. The names of the data sets have no hyphen.

    Returns
    -------
    dict of str to dict
        The metrics of each data set, in the order of the text.

    Examples
    --------
    >>> parse_evaluation("[0]\ttrain-rmse:0.5\ttrain-aft-nloglik:2")
    {'train': {'rmse': 0.5, 'aft-nloglik': 2.0}}
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
    """Order the metrics of a round: all metrics of the first data set, then of the next one.

    Parameters
    ----------
    values : mapping
        The metrics of each data set: train, then validation.
    asked : sequence of str
        The metrics of ``eval_metric``. Other metrics come first: XGBoost evaluates the default
        metric of the objective where it computes none of ``asked``.

    Returns
    -------
    dict
        By name, such as ``train-auc``, in the order of the log line, which is the same on every
        host.

    Raises
    ------
    KeyError
        A metric of ``asked`` has no value.
    """
    names = [normal_form(metric) for metric in asked]
    return {
        f"{data}-{metric}": found[metric]
        for data, found in values.items()
        for metric in (*(name for name in found if name not in names), *names)
    }
