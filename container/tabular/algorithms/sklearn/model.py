"""Save and load fitted estimators of scikit-learn: joblib, pickle and skops."""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import joblib
import sklearn
from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap
from sklearn.base import BaseEstimator

from tabular.algorithms.sklearn.checks.estimators import check_estimator
from tabular.algorithms.sklearn.estimator_names import find_name
from tabular.artifact.files import dump_atomically, remove
from tabular.artifact.manifest import FOLDER, NAME, FileRecord
from tabular.artifact.pickles.guard import guarded
from tabular.artifact.pickles.joblib_arrays import JoblibArray
from tabular.artifact.pickles.unpickler import (
    PICKLE_MAGIC,
    FindName,
    ForbiddenNameError,
    ForbiddenStepError,
    RestrictedUnpickler,
)
from tabular.contract.errors import UserError

log = logging.getLogger(__name__)


class EstimatorUnpickler(RestrictedUnpickler):
    """An unpickler for estimators, also for joblib's arrays."""

    def __init__(self, file: BinaryIO, find: FindName = find_name) -> None:
        super().__init__(file, find)

    def load_build(self) -> None:
        """Set the state of an object, and replace a JoblibArray by its array."""
        super().load_build()
        if isinstance(self.stack[-1], JoblibArray):
            self.stack[-1] = self.stack[-1].read_from(self)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {
        **RestrictedUnpickler.dispatch,
        pickle.BUILD[0]: load_build,
    }


def save_model(folder: Path, model: BaseEstimator, form: str) -> dict[str, FileRecord]:
    """Delete the manifest of an earlier model, and save ``model.joblib`` or ``model.skops``.

    Raises
    ------
    UserError
        The format can't store the model, or this image refuses to load the saved model.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    remove(folder / FOLDER / NAME)
    name = f"model.{form}"
    try:
        records = {name: dump_atomically(folder, name, lambda target: DUMPS[form](model, target))}
        load_estimator(folder / name)
    except (UserError, TypeError, ValueError, AttributeError) as error:
        remove(folder / name)
        raise UserError(
            f"model_format={form} can't hold this model: {' '.join(str(error).split())[:300]}; "
            f"use {' or '.join(other for other in DUMPS if other != form)}"
        ) from error
    for other in DUMPS:
        if other != form:
            remove(folder / f"model.{other}")
    return records


def _dump_skops(model: BaseEstimator, target: BinaryIO) -> None:
    import skops.io

    skops.io.dump(model, target)


DUMPS: dict[str, Callable[[BaseEstimator, BinaryIO], object]] = {
    "joblib": joblib.dump,
    "skops": _dump_skops,
}
NAMES_OF_MODELS = tuple(f"model.{form}" for form in DUMPS)


def is_uncompressed(path: Path) -> bool:
    """Return whether a file is not compressed. ``save_model`` does not compress."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
    with path.open("rb") as file:
        return file.read(len(PICKLE_MAGIC)) == PICKLE_MAGIC


def load_estimator(path: Path) -> BaseEstimator:
    """Load a fitted estimator. See ``load_versioned`` for errors."""
    return load_versioned(path)[0]


def load_versioned(path: Path) -> tuple[BaseEstimator, str | None]:
    """Load a fitted estimator.

    Returns
    -------
    (BaseEstimator, str or None)
        The estimator, and the version of scikit-learn that saved it; None for this version.

    Raises
    ------
    UserError
        The file is not an estimator, or has objects that are not allowed.
    """
    noted: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as noted, guarded():
            warnings.simplefilter("always")
            found = _read_skops(path) if zipfile.is_zipfile(path) else _read_pickle(path)
        if not isinstance(found, BaseEstimator) or not (
            hasattr(found, "predict") or hasattr(found, "transform")
        ):
            raise TypeError(f"it holds a {type(found).__name__}, which has no predict")
        check_estimator(found)
    except MemoryError:
        raise
    except Exception as error:  # a broken file can raise any exception
        raise not_served(path, error, _version_of(noted)) from error
    version = _version_of(noted)
    if version:
        log.warning(
            "%s was saved by scikit-learn %s, and this is %s: answers may differ; save it with "
            "this version",
            *(path, version, sklearn.__version__),
        )
    return found, version


def not_served(path: Path, error: Exception, version: str | None = None) -> UserError:
    """Return the error for an estimator that can't be served, with the version that saved it."""
    reason = " ".join(str(error).split())[:300]
    if isinstance(error, (ForbiddenNameError, ForbiddenStepError)):
        advice = (
            "the file may be hostile, damaged or cut off: find out where it comes from. If you "
            "trust it and need what it names, serve it by a script with model_fn"
        )
    else:
        advice = "save it with this version, or serve it by a script with model_fn"
    return UserError(
        f"{path} is not an estimator that scikit-learn {sklearn.__version__} can load "
        f"({type(error).__name__}: {reason}); "
        + (f"it was saved by scikit-learn {version}: " if version else "")
        + advice
    )


def _version_of(noted: Sequence[warnings.WarningMessage]) -> str | None:
    """Return the version of scikit-learn that saved the model; None for this version."""
    versions = (getattr(each.message, "original_sklearn_version", None) for each in noted)
    return next((version for version in versions if version), None)


def _read_skops(path: Path) -> Any:
    import skops.io

    # Trust the types that skops trusts, and the types that a pickle may have.
    asked = skops.io.get_untrusted_types(file=path)
    known = [name for name in asked if find_name(*name.rpartition(".")[::2]) is not None]
    return skops.io.load(path, trusted=known)


def _read_pickle(path: Path) -> Any:
    with (
        path.open("rb") as file,
        _validate_fileobject_and_memmap(file, str(path), None) as (stream, _),
    ):
        return EstimatorUnpickler(stream).load()
