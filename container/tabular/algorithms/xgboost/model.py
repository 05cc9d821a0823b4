"""Save and load the XGBoost models of an artifact: ``xgboost-model``, AWS's name, in UBJSON.

k-fold saves a model for each fold: ``xgboost-model-0``, ``xgboost-model-1`` and so on.
"""

from __future__ import annotations

import json
import struct
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
# The start of a model in XGBoost's old binary format, and its first fields.
OLD_MAGIC = (b"binf", b"bs64")
OLD_HEADER, OLD_MOST = struct.Struct("<fII"), 1 << 20


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
        with path.open("rb") as file:
            old = is_old_binary(file.read(OLD_HEADER.size))
        raise (_old_binary(path) if old else _no_model(path, error)) from error
    # One thread per prediction: requests are predicted in parallel, and workers are forked.
    booster.set_param({"nthread": 1})
    return booster


def is_old_binary(start: bytes) -> bool:
    """Return whether a file that can't be loaded begins as models of XGBoost up to 2.0 do.

    They begin with ``binf``, or with the parameters of the learner at once: base_score, the number
    of features, and the number of classes.
    """
    if start.startswith(OLD_MAGIC):
        return True
    if len(start) < OLD_HEADER.size:
        return False
    base_score, features, classes = OLD_HEADER.unpack(start[: OLD_HEADER.size])
    return bool(abs(base_score) < OLD_MOST and 0 < features < OLD_MOST and classes < OLD_MOST)


def _old_binary(path: Path) -> UserError:
    name = path.name
    return UserError(
        f"{path} is in XGBoost's old binary format, which versions up to 2.0 wrote (save_model "
        f"without .json or .ubj), and XGBoost {xgboost.__version__} can't read it. Convert it: pip "
        f"install xgboost==1.7.6 'numpy<2'; python -c \"import xgboost; "
        f"xgboost.Booster(model_file='{name}').save_model('{name}.json')\"; then put the new file "
        f"in the place of {name}"
    )


def _no_model(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is not a model that XGBoost {xgboost.__version__} can load: it is truncated, "
        "or of another kind (expected UBJSON or JSON from Booster.save_model, or a pickled Booster "
        f"or XGBModel). {plain_message(error)[:300]}"
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
