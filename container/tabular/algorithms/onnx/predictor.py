"""Load ONNX models that other tools exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabular.algorithms.onnx_predictor import OnnxPredictor, load_and_predict
from tabular.algorithms.predictor import Loading, Predictor
from tabular.artifact.trial_load import trial_load


def load_foreign(paths: Sequence[Path], loading: Loading) -> Predictor:
    """Load a model without a manifest; see ``PredictorModule``."""
    trial_load(load_and_predict, paths[0])
    return OnnxPredictor(paths[0], loading.parallel)


def preload() -> None:
    """Do nothing: all libraries are imported already; see ``PredictorModule``."""
