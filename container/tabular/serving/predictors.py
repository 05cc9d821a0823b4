"""Rows to scores; one class per engine."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import xgboost

from tabular.artifact.booster import load_model, plain_message
from tabular.data.batch import Floats
from tabular.serving.errors import RequestError


class Predictor(Protocol):
    """What the application needs of a model. Called from several threads at once."""

    num_features: int

    def predict(self, rows: Floats) -> npt.NDArray[np.float32]:
        """Score rows.

        Parameters
        ----------
        rows : float32 array, (rows, num_features)
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

    def __init__(self, booster: xgboost.Booster) -> None:
        self.num_features = booster.num_features()
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


def load_predictor(folder: Path) -> Predictor:
    """Load the model of an artifact.

    Raises
    ------
    UserError
        There is none, or it is broken; see ``tabular.artifact.booster.load_model``.
    """
    booster, _ = load_model(folder)
    return BoosterPredictor(booster)
