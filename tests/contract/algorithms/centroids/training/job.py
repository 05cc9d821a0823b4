"""Read the rows, compute a centroid for each class, save them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tabular.artifact.files import write_whole
from tabular.contract.errors import UserError
from tabular.data.memory_budget import MemoryBudget
from tabular.training import rows
from tabular.training.hyperparameters.shared import SEED, TARGET, layout_of
from tabular.training.job import Saved
from tabular.training.metric_lines import metric_line
from tabular.training.run import Run
from tabular.training.saving import Trained, save_artifact

HYPERPARAMETERS = (TARGET, SEED)


def validate(run: Run) -> dict[str, object]:
    """Check the hyperparameters."""
    given = {k: v for k, v in run.job.hyperparameters.items() if k != "algorithm"}
    known = {row.name: row for row in HYPERPARAMETERS}
    for name in given:
        if name not in known:
            raise UserError(f"Extraneous hyperparameter found: {name}; centroids takes target")
    return {name: known[name].parse(value) for name, value in given.items()}


def devices(run: Run, settings: dict[str, object]) -> Sequence[str]:
    """List no devices: this process trains."""
    return ()


def train(run: Run, settings: dict[str, object]) -> Saved | None:
    """Compute the centroids, and save them."""
    channels = rows.choose_channels(run.job)
    checks = rows.Checks(lambda batch, path: None, lambda store, channel: None)
    with tempfile.TemporaryDirectory() as scratch:
        room = MemoryBudget(run.machine.memory // 2, Path(scratch))
        layout = layout_of(HYPERPARAMETERS, settings)
        files = rows.list_files(channels)
        stores = rows.read_rows(channels, layout, checks, room, run.machine.cpus, {}, files)
        columns = rows.seal(
            stores, [{name: store.describe(name) for name, store in stores.items()}], Path()
        )
        store = stores[rows.TRAIN]
        features = np.concatenate([piece for _, piece in store.features(1 << 20)])
        classes = np.unique(store.label)
        centroids = np.stack([features[store.label == c].mean(axis=0) for c in classes])
        distances = ((features[:, None] - centroids) ** 2).sum(axis=2)
        accuracy = float((classes[distances.argmin(axis=1)] == store.label).mean())
    print(metric_line(0, {"train-accuracy": accuracy}), file=run.stdout, flush=True)
    content = io.BytesIO()
    np.save(content, centroids.astype(np.float32))
    described = {"classes": classes.astype(int).tolist(), "probabilities": True}
    unused = {"objective": "", "num_class": 0, "best_iteration": None, "rounds": 0}
    trained = Trained(
        algorithm="centroids",
        save=lambda folder: {
            "centroids.npy": write_whole(folder, "centroids.npy", content.getvalue())
        },
        columns=columns,
        metrics={"train-accuracy": accuracy},
        hyperparameters=settings,
        libraries={"numpy": np.__version__},
        described={**described, **unused},
    )
    manifest = save_artifact(run, trained)
    run.lasting.enter_context(run.termination.saved())
    return None if manifest is None else Saved(manifest, features[:0], compiling=None)
