"""Compute the centroid of each class from the channel ``train``, and save the artifact."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from centroids.predictor import FILE, softmax_of_nearness
from tabular.artifact.files import write_atomically
from tabular.artifact.manifest import FileRecord
from tabular.training.compile_step import Compiling
from tabular.training.hyperparameters.shared import TARGET, layout_of, read_hyperparameters
from tabular.training.job import Saved
from tabular.training.metric_lines import metric_line
from tabular.training.rows import TRAIN
from tabular.training.run import Run
from tabular.training.saving import Trained, save_artifact
from tabular.training.single_host import feature_matrix, read_channels

HYPERPARAMETERS = (TARGET,)


def validate(run: Run) -> dict[str, object]:
    """Check the hyperparameters."""
    return read_hyperparameters(HYPERPARAMETERS, run.job.hyperparameters)


def devices(run: Run, settings: dict[str, object]) -> Sequence[str]:
    """Return no devices: this process trains."""
    return ()


def train(run: Run, settings: dict[str, object]) -> Saved | None:
    """Compute the centroids, and save them."""
    with read_channels(run, layout_of(HYPERPARAMETERS, settings)) as (stores, columns):
        label, features = stores[TRAIN].label, feature_matrix(stores[TRAIN])
    classes = np.unique(label)
    centroids = np.stack([features[label == each].mean(axis=0) for each in classes])
    predicted = classes[softmax_of_nearness(features, centroids).argmax(axis=1)]
    metrics = {"train-accuracy": float((predicted == label).mean())}
    print(metric_line(0, metrics), file=run.stdout, flush=True)

    def save(folder: Path) -> dict[str, FileRecord]:
        content = io.BytesIO()
        np.save(content, centroids)
        return {FILE: write_atomically(folder, FILE, content.getvalue())}

    described = {"classes": classes.astype(int).tolist(), "probabilities": True}
    libraries = {"numpy": np.__version__}
    manifest = save_artifact(
        run, Trained("centroids", save, columns, metrics, settings, libraries, described)
    )
    compiling = Compiling("centroids.compiling:compile_artifact", "NumPy", features[:1000])
    return None if manifest is None else Saved(manifest, compiling)
