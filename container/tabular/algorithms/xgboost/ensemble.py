"""Predict with the models of k-fold together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from tabular.algorithms.predictor import Predictor
from tabular.algorithms.xgboost.objective import Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.data.batch import Floats


class Ensemble(Predictor):
    """The mean of the models' scores, or the most frequent class if the scores are classes."""

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.columns, self.meaning = members[0].columns, members[0].meaning
        self.bytes_per_value = max(member.bytes_per_value for member in members)
        self.engine = f"{members[0].engine}, {len(members)} models"
        self._members = members
        objective = OBJECTIVES.get(self.meaning.objective)
        self._vote = objective is not None and objective.predicts is Predicts.CLASSES

    def predict(self, rows: Floats) -> Floats:
        """Score rows; see ``Predictor.predict``."""
        scores = np.stack([member.predict(rows) for member in self._members])
        if not self._vote:
            return cast(Floats, scores.mean(axis=0, dtype=np.float32))
        # If classes are equally frequent, the smallest class is taken, as in AWS's container.
        classes = np.unique(scores)
        counts = np.stack([(scores == value).sum(axis=0) for value in classes])
        return cast(Floats, classes[counts.argmax(axis=0)])

    def contributions(self, rows: Floats) -> Floats:
        """Return the mean of the models' contributions."""
        parts = np.stack([member.contributions(rows) for member in self._members])
        return cast(Floats, parts.mean(axis=0, dtype=np.float32))

    def leaves(self, rows: Floats) -> Floats:
        """Return the leaf of each tree, model after model."""
        return np.concatenate([member.leaves(rows) for member in self._members], axis=1)
