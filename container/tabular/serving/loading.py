"""Load the model of an artifact with the algorithm that its manifest or its file type names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tabular.algorithms import algorithm_of, algorithm_of_kind
from tabular.algorithms.parallel import Parallel
from tabular.algorithms.predictor import Loading, Predictor
from tabular.artifact.discovery import PICKLE, FoundModel, find_model, require_inside
from tabular.artifact.files import verify
from tabular.artifact.manifest import read_manifest
from tabular.artifact.pickles.unpickler import PICKLE_MAGIC
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.serving.deadline import within_deadline


def loading_of(endpoint: Endpoint) -> Loading:
    """Return the endpoint's settings for loading models."""
    return Loading(
        Parallel(endpoint.cpus),
        endpoint.ensemble,
        endpoint.refuse_pickles,
        # The files of batch transform often have more columns: an identifier, the label.
        extra_columns=endpoint.batch,
    )


def load_predictor(folder: Path, loading: Loading | None = None) -> Predictor:
    """Load the model of an artifact, or the models of k-fold as one.

    Only the libraries that the model needs are imported.

    Raises
    ------
    UserError
        The artifact has no model, or the model is broken. OutOfTimeError and OutOfMemoryError,
        its subclasses: the model takes too long or too much memory.
    """
    loading = loading or Loading()
    predictor = _load(folder, loading)
    if loading.extra_columns and predictor.columns.extra is None:
        predictor.columns = replace(predictor.columns, extra=True)
    return predictor


def _load(folder: Path, loading: Loading) -> Predictor:
    manifest = read_manifest(folder)
    if manifest is None:
        found = find_model(folder, loading.ensemble)
        if loading.refuse_pickles:
            _require_no_pickle(found)
        return algorithm_of_kind(found.kind).predictor.load_foreign(found.paths, loading)
    for name in manifest.files:
        if (folder / name).exists():  # ``verify`` reports a missing file
            require_inside(folder, folder / name)
    verify(folder, manifest)
    predictor = algorithm_of(manifest.algorithm).predictor
    return within_deadline(lambda: predictor.load_described(folder, manifest, loading), folder)


def _require_no_pickle(found: FoundModel) -> None:
    for path in found.paths:
        with path.open("rb") as file:
            pickled = file.read(len(PICKLE_MAGIC)) == PICKLE_MAGIC
        if found.kind == PICKLE or pickled:
            raise UserError(
                f"{path} is a pickle, and TABULAR_UNTRUSTED_MODELS=refuse is set; save the model "
                "as UBJSON (Booster.save_model), skops or ONNX, or train it with this image"
            )
