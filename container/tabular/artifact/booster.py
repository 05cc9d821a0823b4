"""XGBoost models in an artifact: ``xgboost-model``, UBJSON, as AWS's container names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import xgboost

from tabular.artifact.files import not_written, verify, write_whole
from tabular.artifact.manifest import FOLDER, NAME, FileRecord, Manifest, read_manifest
from tabular.contract.errors import UserError

MODEL = "xgboost-model"


def save_model(folder: Path, booster: xgboost.Booster) -> FileRecord:
    """Save a model as ``xgboost-model``.

    The manifest of an earlier model goes first: a kill between the two writes leaves a model
    without a manifest, which serves, and never one with another's.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    try:
        (folder / FOLDER / NAME).unlink(missing_ok=True)
    except OSError as error:
        raise not_written(folder / FOLDER / NAME, error) from error
    return write_whole(folder, MODEL, bytes(booster.save_raw(raw_format="ubj")))


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Save the manifest, after the files that it names."""
    write_whole(folder, f"{FOLDER}/{NAME}", manifest.to_json().encode())


def load_model(folder: Path) -> tuple[xgboost.Booster, Manifest | None]:
    """Load ``xgboost-model`` and its manifest, for prediction on one thread.

    Raises
    ------
    UserError
        There is no model, or it is truncated, changed, or no XGBoost model.
    """
    path = folder / MODEL
    if not path.is_file():
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        raise UserError(
            f"no model: {path} does not exist (the folder holds {', '.join(there) or 'nothing'}); "
            "train first, or unpack a model.tar.gz with an xgboost-model there"
        )
    manifest = read_manifest(folder)
    if manifest is not None:
        verify(folder, manifest)
    booster = xgboost.Booster()
    try:
        # From memory: for a file without an extension XGBoost warns that it has to guess.
        booster.load_model(bytearray(path.read_bytes()))
    except (xgboost.core.XGBoostError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not a model that XGBoost {xgboost.__version__} can load: it is truncated, "
            "pickled, or of another kind (expected UBJSON or JSON from Booster.save_model)"
        ) from error
    # One thread for each prediction: requests run side by side, and workers are forked.
    booster.set_param({"nthread": 1})
    return booster, manifest


def objective_of(booster: xgboost.Booster) -> tuple[str, int]:
    """Read a model's objective and its number of classes (0 when not multiclass)."""
    learner = cast(dict[str, Any], json.loads(booster.save_config()))["learner"]
    return learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])
