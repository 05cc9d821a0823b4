"""Scores by ONNX Runtime, of models that we compiled."""

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

# XGBoost takes 1.6 us a row of many and 130 us a call, ONNX Runtime 4.4 and 6 (200 trees of
# depth 6). From here on it is worth the time and the memory (40 MB) of importing XGBoost.
NATIVE_ROWS = 2048


class CompiledPredictor(Predictor):
    """A compiled model; XGBoost's own takes large requests, and explains.

    Parameters
    ----------
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
        """Explain scores; see ``Predictor.contributions``."""
        return self.native.contributions(rows)

    def leaves(self, rows: Floats) -> Floats:
        """Tell the leaf of each tree; see ``Predictor.leaves``."""
        return self.native.leaves(rows)

    @property
    def native(self) -> BoosterPredictor:
        """The native model, loaded once in each process."""
        if self._native is None:
            with self._lock:
                self._native = self._native or self._load()
        return self._native
