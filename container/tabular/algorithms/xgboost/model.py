"""Save and load the XGBoost models of an artifact: ``xgboost-model``, AWS's name, in UBJSON.

k-fold saves a model for each fold: ``xgboost-model-0``, ``xgboost-model-1`` and so on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.pickled_booster import read_booster
from tabular.artifact.booster_checks import check_booster
from tabular.artifact.files import (
    COMPILED,
    MODEL,
    NUMBERED,
    remove,
    resolve_file,
    verify,
    write_atomically,
)
from tabular.artifact.manifest import FOLDER, NAME, FileRecord, Manifest, read_manifest
from tabular.artifact.pickles.unpickler import PICKLE_MAGIC
from tabular.artifact.trial_load import trial_load
from tabular.contract.errors import UserError

# The attribute of a model with the texts of its classes, as a JSON list in the order of the codes.
CLASSES = "classes"
# The longest best_iteration that is read: no training has more rounds.
MOST_DIGITS = 10


def save_models(folder: Path, boosters: Sequence[xgboost.Booster]) -> dict[str, FileRecord]:
    """Save ``xgboost-model``, or ``xgboost-model-0``, ``-1``, ... if there are several models.

    An earlier manifest is removed first and earlier models last. So if the process is killed in
    between, models may lack a manifest, but a manifest never describes other models.

    Returns
    -------
    dict of str to FileRecord
        The records of the manifest, by file name.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    names = [MODEL] if len(boosters) == 1 else [f"{MODEL}-{i}" for i in range(len(boosters))]
    remove(folder / FOLDER / NAME)
    records = {
        name: write_atomically(folder, name, bytes(booster.save_raw(raw_format="ubj")))
        for name, booster in zip(names, boosters, strict=True)
    }
    for path in [*folder.glob(f"{MODEL}*"), *folder.glob(f"{FOLDER}/*.onnx")]:
        name = path.relative_to(folder).as_posix()
        if name not in records and (NUMBERED.fullmatch(name) or COMPILED.fullmatch(name)):
            remove(path)
    return records


def load_models(folder: Path) -> tuple[list[xgboost.Booster], Manifest | None]:
    """Load the models of an artifact and its manifest; each model predicts on one thread.

    An artifact without a manifest has a single model, ``xgboost-model``.

    Raises
    ------
    UserError
        There is no model, or the file is truncated, changed, or not an XGBoost model.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return [load_unverified(folder / MODEL)], None
    verify(folder, manifest)
    return [load_model(path) for path in models_of(folder, manifest)], manifest


def models_of(folder: Path, manifest: Manifest) -> list[Path]:
    """Return the paths of an artifact's XGBoost models, in the order of the manifest.

    Raises
    ------
    UserError
        The manifest names no model.
    """
    names = [name for name in manifest.files if NUMBERED.fullmatch(name)]
    if not names:
        raise UserError(
            f"{folder / FOLDER / NAME} names no {MODEL}; unpack model.tar.gz again, or train again"
        )
    return [resolve_file(folder, name) for name in names]


def load_unverified(path: Path) -> xgboost.Booster:
    """Load a file that may be damaged or no model: load it in a separate process first."""
    if not path.is_file():
        present = (
            sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        )
        state = "is not a file" if path.exists() else "does not exist"
        raise UserError(
            f"no model: {path} {state} (the folder holds {', '.join(present) or 'nothing'}); "
            "train first, or unpack a model.tar.gz with an xgboost-model there"
        )
    trial_load(load_model, path)
    return load_model(path)


def load_model(path: Path) -> xgboost.Booster:
    """Load a model in UBJSON or JSON, or a pickled ``Booster`` or ``XGBModel``.

    A damaged file may crash the process: see ``load_unverified``.

    Raises
    ------
    UserError
        XGBoost can't load the file.
    """
    try:
        # Load from memory: for a file without an extension, XGBoost warns that it guesses the
        # format.
        content = bytearray(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    try:
        if not content:
            raise ValueError("it is empty")
        if content.startswith(PICKLE_MAGIC):
            booster = xgboost.Booster.__new__(xgboost.Booster)
            booster.__setstate__({"handle": read_booster(bytes(content))})
        else:
            booster = xgboost.Booster()
            booster.load_model(content)
        del content
        check_booster(booster.save_raw(raw_format="ubj"))
        best = booster.attributes().get("best_iteration") or "0"
        if not (best.isascii() and best.isdecimal() and len(best) < MOST_DIGITS):
            raise ValueError(f"its best_iteration is {best!r:.40}, expected a whole number")
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError) as error:
        raise _no_model(path, error) from error
    # One thread per prediction: requests are predicted in parallel, and workers are forked.
    booster.set_param({"nthread": 1})
    return booster


def _no_model(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is not a model that XGBoost {xgboost.__version__} can load: it is truncated, "
        "of another kind, or of a version before 1.7 (expected UBJSON or JSON from "
        "Booster.save_model, or a pickled Booster or XGBModel; an old one: load it with the "
        f"XGBoost that wrote it, and save_model). {plain_message(error)[:300]}"
    )


def plain_message(error: Exception) -> str:
    """Return XGBoost's message without time, source line and stack trace."""
    text = str(error).partition("Stack trace:")[0].strip()
    head, _, rest = text.partition(": ")
    return (rest if head.startswith("[") else text).strip()


def classes_of(booster: xgboost.Booster) -> list[str]:
    """Return the text labels of a model, in the order of their codes; empty if it has none."""
    try:
        classes = json.loads(booster.attr(CLASSES) or "[]")
    except ValueError:
        return []
    texts = isinstance(classes, list) and all(isinstance(text, str) for text in classes)
    return classes if texts else []


def objective_of(booster: xgboost.Booster) -> tuple[str, int]:
    """Return a model's objective and its number of classes (0 if not multiclass)."""
    learner = cast(dict[str, Any], json.loads(booster.save_config()))["learner"]
    return learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])
