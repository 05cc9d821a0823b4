"""Rows to scores; one class per engine."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import xgboost

from tabular.artifact.booster import load_model
from tabular.data.batch import Floats


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
        if not self._in_place:  # gblinear has no in-place prediction
            scores = self._booster.predict(xgboost.DMatrix(rows, nthread=1))
        else:
            scores = self._booster.inplace_predict(
                rows, iteration_range=self._rounds, validate_features=False
            )
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
