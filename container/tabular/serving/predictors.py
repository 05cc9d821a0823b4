"""Rows to scores; one class per engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import xgboost

from tabular.artifact.booster import load_models, objective_of, plain_message
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.serving.errors import RequestError

# Objectives whose scores are classes, not numbers to take the mean of.
CLASS_SCORES = ("multi:softmax", "binary:hinge")


class Predictor(Protocol):
    """What the application needs of a model. Called from several threads at once.

    Attributes
    ----------
    columns : Columns
        What each row of a request must have.
    """

    columns: Columns

    def predict(self, rows: Floats) -> npt.NDArray[np.float32]:
        """Score rows.

        Parameters
        ----------
        rows : float32 array, (rows, columns.count)
            NaN where a value is missing.

        Returns
        -------
        float32 array, (rows,) or (rows, classes)

        Raises
        ------
        RequestError
            400: the engine refuses the rows.
        """
        ...


class BoosterPredictor:
    """An XGBoost model, with the rounds that early stopping kept."""

    def __init__(self, booster: xgboost.Booster, columns: Columns) -> None:
        self.columns = columns
        self._booster = booster
        best = booster.attributes().get("best_iteration")
        # (0, 0) means all rounds.
        self._rounds = (0, 0 if best is None else int(best) + 1)
        self._in_place = "gblinear" not in booster.save_config().partition('"gradient_booster"')[2]

    def predict(self, rows: Floats) -> npt.NDArray[np.float32]:
        """Score rows; see ``Predictor.predict``."""
        try:
            if self._in_place:
                scores = self._booster.inplace_predict(
                    rows, iteration_range=self._rounds, validate_features=False
                )
            else:  # gblinear has no in-place prediction, and takes no infinite values
                scores = self._booster.predict(xgboost.DMatrix(rows, nthread=1))
        except xgboost.core.XGBoostError as error:
            raise RequestError(
                400, f"Unable to evaluate payload provided: {plain_message(error)}"
            ) from error
        return cast(npt.NDArray[np.float32], scores)


class Ensemble:
    """The models of k-fold: the mean of their scores, or their vote where scores are classes."""

    def __init__(self, members: Sequence[Predictor], vote: bool) -> None:
        self.columns = members[0].columns
        self._members = members
        self._vote = vote

    def predict(self, rows: Floats) -> npt.NDArray[np.float32]:
        """Score rows; see ``Predictor.predict``."""
        scores = np.stack([member.predict(rows) for member in self._members])
        if not self._vote:
            return cast(npt.NDArray[np.float32], scores.mean(axis=0, dtype=np.float32))
        # The most frequent class; the smaller one of two that are as frequent, as in AWS's.
        classes = np.unique(scores)
        counts = np.stack([(scores == value).sum(axis=0) for value in classes])
        return cast(npt.NDArray[np.float32], classes[counts.argmax(axis=0)])


def load_predictor(folder: Path) -> Predictor:
    """Load the model of an artifact, or its models.

    Raises
    ------
    UserError
        There is none, or it is broken; see ``tabular.artifact.booster.load_models``.
    """
    boosters, manifest = load_models(folder)
    if manifest is None:
        columns = Columns(boosters[0].num_features())
    else:
        columns = Columns(
            manifest.num_features,
            manifest.index_base,
            manifest.feature_names,
            {int(column): texts for column, texts in manifest.categories.items()},
        )
    members = [BoosterPredictor(booster, columns) for booster in boosters]
    if len(members) == 1:
        return members[0]
    return Ensemble(members, vote=objective_of(boosters[0])[0] in CLASS_SCORES)
