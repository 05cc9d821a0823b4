"""Each round's metrics: XGBoost's own, those it lacks, and the line that carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xgboost

from tabular.algorithms.xgboost.metrics import ours
from tabular.algorithms.xgboost.training.collectives import summed
from tabular.algorithms.xgboost.training.scores import statistics, values
from tabular.training.metric_lines import ordered, parse_evaluation


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
            found[name].update(values(self._ours, summed(sums), self._objective, self._num_class))
        return ordered(found, self._asked)
