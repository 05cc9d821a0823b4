"""Load the centroids, and answer with the class of the nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tabular.algorithms.predictor import Loading, Meaning, Predictor, Scores
from tabular.artifact.files import place_of
from tabular.artifact.manifest import Manifest
from tabular.data.batch import Floats


class Centroids(Predictor):
    """The class whose centroid is nearest; nearer ones are more probable."""

    engine = "centroids"

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.columns = manifest.columns
        self.meaning = Meaning("", classes=manifest.classes, has_probabilities=True)
        self._centroids = np.load(place_of(folder, "centroids.npy"))

    def predict(self, rows: Floats) -> Scores:
        """Score rows."""
        labels: Scores = np.array(self.meaning.classes)[self.probabilities(rows).argmax(axis=1)]
        return labels

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        nearness = np.exp(-((rows[:, None] - self._centroids) ** 2).sum(axis=2))
        chances: Scores = nearness / nearness.sum(axis=1, keepdims=True)
        return chances


def load_described(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    """Load the model."""
    return Centroids(folder, manifest)
