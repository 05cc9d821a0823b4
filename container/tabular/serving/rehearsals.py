"""Load a model of unknown origin and predict with it once: what its rehearsal calls by name.

Each function is called in the limited process of ``tabular.artifact.rehearsal``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from tabular.algorithms.predictor import Predictor
from tabular.serving.errors import RequestError


def booster(path: Path) -> None:
    """Load an XGBoost model, and predict with it."""
    from tabular.algorithms.xgboost.model import load_model
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor
    from tabular.data.columns import Columns

    loaded = load_model(path)
    _predict(BoosterPredictor(loaded, Columns(loaded.num_features())))


def estimator(path: Path) -> None:
    """Load an estimator of scikit-learn, and predict with it."""
    from tabular.algorithms.sklearn.model import load_estimator
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    loaded = load_estimator(path)
    # What the server says of an estimator of another version is said there, with the version.
    with suppress(AttributeError, TypeError, ValueError):
        _predict(EstimatorPredictor(loaded))


def onnx(path: Path) -> None:
    """Load an ONNX model, and predict with it."""
    from tabular.algorithms.onnx.native_predictor import OnnxPredictor

    _predict(OnnxPredictor(path))


def _predict(predictor: Predictor) -> None:
    row = np.zeros((1, predictor.columns.count), np.float32)
    # It may take no row of zeros.
    with suppress(RequestError):
        predictor.predict(row)
    if predictor.meaning.has_probabilities:
        with suppress(RequestError):
            predictor.probabilities(row)
