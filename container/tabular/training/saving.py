"""Write the artifact of a training job: the models and the manifest."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tabular
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import FileRecord, Manifest
from tabular.artifact.replacing import staged
from tabular.contract.errors import PlatformError
from tabular.data import schema
from tabular.data.columns import Columns
from tabular.training.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The trained models, and the fields of their manifest.

    Attributes
    ----------
    algorithm : str
        The name of the algorithm for the manifest; serving looks the algorithm up by this name.
    save : callable
        Writes the models into a folder, and returns a record of each file, by file name.
    columns : Columns
        The columns of the training data.
    metrics : mapping of str to float
        The metrics, with the names of the log line (``validation-auc``).
    hyperparameters : mapping of str to object
        The hyperparameters that the job sets.
    libraries : mapping of str to str
        The versions of the libraries, by name.
    described : mapping of str to object
        Other fields of ``Manifest``.
    """

    algorithm: str
    save: Callable[[Path], Mapping[str, FileRecord]]
    columns: Columns
    metrics: Mapping[str, float]
    hyperparameters: Mapping[str, object]
    libraries: Mapping[str, str]
    described: Mapping[str, Any] = field(default_factory=dict)


def save_artifact(run: Run, trained: Trained) -> Manifest | None:
    """Write the artifact, as ``write_artifact`` does, at the end of training.

    SIGTERM is deferred until the artifact is written. Later, SIGTERM ends the job with status 0.
    """
    run.exit_stack.enter_context(run.termination.deferred())
    manifest = write_artifact(run, trained)
    run.exit_stack.enter_context(run.termination.optional_work())
    return manifest


def write_artifact(run: Run, trained: Trained) -> Manifest | None:
    """Write the artifact, and replace an earlier artifact atomically.

    Returns
    -------
    Manifest or None
        None if the manifest could not be written and the models do not need it.

    Raises
    ------
    UserError
        The file format of the job can't store the model.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    folder, columns = run.job.paths.model, trained.columns
    with run.timing.stage("save"), staged(folder) as stage:
        described = {"num_features": columns.count, **trained.described}
        manifest = Manifest(
            algorithm=trained.algorithm,
            metrics=trained.metrics,
            hyperparameters=trained.hyperparameters,
            training_job=run.job.name,
            libraries={
                "python": platform.python_version(),
                "sagemaker-tabular": tabular.__version__,
                **trained.libraries,
            },
            files=trained.save(stage),
            feature_names=list(columns.names),
            categories={str(column): list(texts) for column, texts in columns.categories.items()},
            index_base=columns.base,
            schema=schema.to_json(columns),
            indices=columns.indices,
            **described,
        )
        whole = _describe(stage, manifest)
    log.info("saved %s in %s", ", ".join(manifest.files), folder)
    return manifest if whole else None


def _describe(folder: Path, manifest: Manifest) -> bool:
    """Write the manifest. Return False if it can't be written but the model does not need it.

    Raises
    ------
    PlatformError
        The manifest can't be written, and the model would give wrong scores without it.
    """
    try:
        save_manifest(folder, manifest)
    except PlatformError as error:
        if manifest.is_needed:
            raise
        log.warning("the model is saved without its manifest, and not compiled: %s", error)
        return False
    return True
