"""Fitted estimators of scikit-learn in an artifact: pickle, joblib (compressed or not), skops."""

from __future__ import annotations

import importlib
import logging
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import joblib.numpy_pickle as of_joblib
import numpy as np
import sklearn
from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap
from sklearn.base import BaseEstimator

from tabular.artifact.files import dump_whole, remove
from tabular.artifact.manifest import FOLDER, NAME, FileRecord
from tabular.artifact.unpickling import common, refuse
from tabular.contract.errors import UserError

log = logging.getLogger(__name__)

# What fitted estimators hold besides estimators: classes and functions of these modules, which
# compute and touch no file.
PARTS = frozenset(
    {
        "sklearn._loss._loss",
        "sklearn._loss.link",
        "sklearn._loss.loss",
        "sklearn.calibration",
        "sklearn.cluster._birch",
        "sklearn.cluster._bisect_k_means",
        "sklearn.ensemble._hist_gradient_boosting.predictor",
        "sklearn.feature_selection._mutual_info",
        "sklearn.feature_selection._univariate_selection",
        "sklearn.gaussian_process.kernels",
        "sklearn.linear_model._sgd_fast",
        "sklearn.metrics._classification",
        "sklearn.metrics._dist_metrics",
        "sklearn.metrics._ranking",
        "sklearn.metrics._regression",
        "sklearn.metrics._scorer",
        "sklearn.model_selection._split",
        "sklearn.neighbors._ball_tree",
        "sklearn.neighbors._kd_tree",
        "sklearn.neural_network._stochastic_optimizers",
        "sklearn.tree._tree",
        "sklearn.utils._bunch",
        "sklearn.utils._metadata_requests",
    }
)
# And these names of others.
NAMES = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("numpy", "dtype"),
        ("numpy", "mean"),
        ("numpy.ma", "MaskedArray"),
        ("numpy.ma.core", "MaskedArray"),
        ("numpy.ma.core", "_mareconstruct"),
        ("scipy._lib.array_api_compat.numpy._aliases", "asarray"),
        ("scipy.interpolate._bsplines", "BSpline"),
        ("scipy.interpolate._interpolate", "interp1d"),
        ("scipy.sparse._csc", "csc_matrix"),
        ("scipy.sparse._csr", "csr_array"),
        ("scipy.sparse._csr", "csr_matrix"),
        ("sklearn.cluster._kmeans", "_kmeans_single_elkan"),
        ("sklearn.cluster._kmeans", "_kmeans_single_lloyd"),
        ("xgboost.core", "Booster"),
    }
)


class EstimatorUnpickler(of_joblib.NumpyUnpickler):  # type: ignore[misc]
    """Knows the estimators of scikit-learn and XGBoost, and what they are made of."""

    def find_class(self, module: str, name: str) -> Any:
        """Find what a pickle names."""
        if "." in name:
            refuse(module, name)
        if common(module, name):
            return super().find_class(module, name)
        found = _known(module, name)
        if found is None:
            refuse(module, name)
        return found


def _known(module: str, name: str) -> Any:
    """Find what fitted estimators may hold; None for everything else."""
    if (module, name) in NAMES:
        return getattr(importlib.import_module(module), name)
    root = module.partition(".")[0]
    if root == "numpy" and isinstance(getattr(np, name, None), np.ufunc):
        return getattr(np, name)  # of a FunctionTransformer
    if root == "sklearn" or module == "xgboost.sklearn":
        found = getattr(importlib.import_module(module), name)
        if _is_estimator(found) or (module in PARTS and _belongs(found, module)):
            return found
    return None


def _is_estimator(found: object) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, BaseEstimator)
        and found.__module__.partition(".")[0] in ("sklearn", "xgboost")
    )


def _belongs(found: object, module: str) -> bool:
    """Tell whether a module has defined something, not imported it."""
    return callable(found) and getattr(found, "__module__", None) == module


def save_model(folder: Path, model: BaseEstimator, form: str) -> dict[str, FileRecord]:
    """Save ``model.joblib`` or ``model.skops``; the manifest of an earlier model goes first.

    Raises
    ------
    UserError
        The format can't hold the model, or not so that it can be loaded by our rules.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    remove(folder / FOLDER / NAME)
    name = f"model.{form}"
    try:
        records = {name: dump_whole(folder, name, lambda target: DUMPS[form](model, target))}
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


def load_estimator(path: Path) -> BaseEstimator:
    """Load a fitted estimator; raises what ``load_versioned`` does."""
    return load_versioned(path)[0]


def load_versioned(path: Path) -> tuple[BaseEstimator, str | None]:
    """Load a fitted estimator, and tell which other version of scikit-learn has saved it.

    Raises
    ------
    UserError
        It is none, or it holds what is not scikit-learn's.
    """
    noted: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            found = _read_skops(path) if zipfile.is_zipfile(path) else _read_pickle(path)
        if not isinstance(found, BaseEstimator) or not (
            hasattr(found, "predict") or hasattr(found, "transform")
        ):
            raise TypeError(f"it holds a {type(found).__name__}, which has no predict")
    except Exception as error:  # a broken file raises anything
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
    """Say that an estimator can't be served, and by which version it was saved."""
    reason = " ".join(str(error).split())[:300]
    return UserError(
        f"{path} is not an estimator that scikit-learn {sklearn.__version__} can load "
        f"({type(error).__name__}: {reason}); "
        + (f"it was saved by scikit-learn {version}: " if version else "")
        + "save it with this version, or serve it by a script with model_fn"
    )


def _version_of(noted: Sequence[warnings.WarningMessage]) -> str | None:
    """Find which other version of scikit-learn has written what was loaded."""
    versions = (getattr(each.message, "original_sklearn_version", None) for each in noted)
    return next((version for version in versions if version), None)


def _read_skops(path: Path) -> Any:
    import skops.io

    # Beside skops' own list, what a pickle may hold too.
    asked = skops.io.get_untrusted_types(file=path)
    known = [name for name in asked if _known(*name.rpartition(".")[::2]) is not None]
    return skops.io.load(path, trusted=known)


def _read_pickle(path: Path) -> Any:
    with (
        path.open("rb") as file,
        _validate_fileobject_and_memmap(file, str(path), None) as (stream, _),
    ):
        return EstimatorUnpickler(str(path), stream, True).load()
