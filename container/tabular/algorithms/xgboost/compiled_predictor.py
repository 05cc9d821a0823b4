"""Predict with ONNX Runtime and a model that this image compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.algorithms.xgboost.margins import Margins
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.data.batch import Floats
from tabular.data.columns import Columns

if TYPE_CHECKING:
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

# With 200 trees of depth 6, XGBoost takes 130 us for a call and 1.6 us for each row; ONNX Runtime
# takes 6 us for a call and 4.4 us for each row. For this number of rows or more, the time that
# XGBoost saves is worth the memory of its import (40 MB).
NATIVE_ROWS = 2048


class CompiledPredictor(Predictor):
    """A compiled model, with the native model for large requests and for explanations.

    Parameters
    ----------
    categorical : tuple of int
        The indices of the categorical columns.
    native : callable
        Loads the native model, when it is first needed.
    """

    engine = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(
        self,
        path: Path,
        columns: Columns,
        meaning: Meaning,
        categorical: tuple[int, ...],
        native: Callable[[], BoosterPredictor],
    ) -> None:
        self.columns, self.meaning = columns, meaning
        self._margins = Margins(path, np.array(categorical, np.int64))
        self.width, self.groups = self._margins.width, self._margins.groups
        self._scores = OBJECTIVES[meaning.objective].link.scores
        self._load, self._lock = native, Lock()
        self._native: BoosterPredictor | None = None

    def predict(self, rows: Floats) -> Floats:
        """Score rows; see ``Predictor.predict``."""
        if len(rows) >= NATIVE_ROWS:
            return self.native.predict(rows)
        return self._scores(self._margins(rows))

    def contributions(self, rows: Floats) -> Floats:
        """Compute SHAP values; see ``Predictor.contributions``."""
        return self.native.contributions(rows)

    def leaves(self, rows: Floats) -> Floats:
        """Return the leaf of each tree; see ``Predictor.leaves``."""
        return self.native.leaves(rows)

    @property
    def native(self) -> BoosterPredictor:
        """The native model, loaded once in each process."""
        if self._native is None:
            with self._lock:
                self._native = self._native or self._load()
        return self._native
