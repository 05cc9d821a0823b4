"""Predict the class with the nearest centroid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tabular.algorithms.onnx_predictor import OnnxPredictor
from tabular.algorithms.predictor import Loading, Meaning, Predictor, Scores
from tabular.artifact.files import compiled_paths, resolve_file
from tabular.artifact.manifest import Manifest
from tabular.data.batch import Floats

FILE = "centroids.npy"


def softmax_of_nearness(rows: Floats, centroids: Floats) -> Floats:
    """Compute the probability of each class, (rows, classes)."""
    nearness = np.exp(-((rows[:, None] - centroids) ** 2).sum(axis=2))
    probabilities: Floats = nearness / nearness.sum(axis=1, keepdims=True)
    return probabilities


class Centroids(Predictor):
    """The classifier, compiled or native."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.columns = manifest.columns
        self.meaning = Meaning("", classes=manifest.classes)
        compiled = compiled_paths(folder, manifest)
        if compiled:
            onnx = OnnxPredictor(compiled[0])
            self.engine, self._probabilities = onnx.engine, onnx.predict
        else:
            centroids = np.load(resolve_file(folder, FILE))
            self.engine = "NumPy"
            self._probabilities = lambda rows: softmax_of_nearness(rows, centroids)

    def predict(self, rows: Floats) -> Scores:
        """Return the most probable class of each row."""
        labels: Scores = np.array(self.meaning.classes)[self.probabilities(rows).argmax(axis=1)]
        return labels

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        return self._probabilities(rows)


def load_described(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    """Load the model that a manifest describes."""
    return Centroids(folder, manifest)


def preload() -> None:
    """Do nothing: NumPy and ONNX Runtime are already imported."""
