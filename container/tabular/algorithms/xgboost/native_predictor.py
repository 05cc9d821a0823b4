"""Predict with XGBoost itself."""

from __future__ import annotations

from typing import cast

import numpy as np

from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.predictor import Predictor
from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.model import objective_of, plain_message
from tabular.algorithms.xgboost.objectives import meaning_of
from tabular.contract.errors import RequestError
from tabular.data.batch import Floats
from tabular.data.columns import Columns


class BoosterPredictor(Predictor):
    """An XGBoost model; it predicts with the rounds that early stopping kept."""

    engine = f"XGBoost {xgboost.__version__}"

    def __init__(
        self, booster: xgboost.Booster, columns: Columns, parallel: Parallel = ONE_THREAD
    ) -> None:
        self._parallel = parallel
        self.columns = columns
        self.meaning = meaning_of(*objective_of(booster))
        self._booster = booster
        best = booster.attributes().get("best_iteration")
        # In XGBoost, (0, 0) means all rounds.
        self._rounds = (0, 0 if best is None else int(best) + 1)
        self._in_place = "gblinear" not in booster.save_config().partition('"gradient_booster"')[2]

    def predict(self, rows: Floats) -> Floats:
        """Score rows; see ``Predictor.predict``."""
        return self._parallel(self._predict, rows)

    def contributions(self, rows: Floats) -> Floats:
        """Compute SHAP values; see ``Predictor.contributions``."""
        return self._of_matrix(rows, pred_contribs=True)

    def leaves(self, rows: Floats) -> Floats:
        """Return the leaf of each tree; see ``Predictor.leaves``."""
        leaves = self._of_matrix(rows, pred_leaf=True)
        return leaves.reshape(len(rows), -1)

    def _predict(self, rows: Floats) -> Floats:
        if not self._in_place:  # gblinear has no in-place prediction, and refuses infinite values
            return self._of_matrix(rows)
        try:
            scores = self._booster.inplace_predict(
                rows, iteration_range=self._rounds, validate_features=False
            )
        except xgboost.core.XGBoostError as error:
            raise _refused(error) from error
        return cast(Floats, scores)

    def _of_matrix(self, rows: Floats, **what: bool) -> Floats:
        try:
            matrix = xgboost.DMatrix(
                rows,
                nthread=1,
                feature_names=self._booster.feature_names,
                feature_types=self._booster.feature_types,
                enable_categorical=True,
            )
            rounds = self._rounds if self._in_place else (0, 0)
            scores = self._booster.predict(matrix, iteration_range=rounds, **what)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise _refused(error) from error
        return cast(Floats, np.asarray(scores))


def _refused(error: Exception) -> RequestError:
    return RequestError(400, f"Unable to evaluate payload provided: {plain_message(error)}")
