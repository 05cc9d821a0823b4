"""Pickles of models, read by unpicklers that know only the names they need.

A pickle can name any function of Python and have it called; these refuse every name that no
model has, before anything happens.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

PICKLE_MAGIC = b"\x80"

_NUMPY = {
    ("_reconstruct", "multiarray"),
    ("scalar", "multiarray"),
    ("_frombuffer", "numeric"),
}
_NUMPY_CLASSES = frozenset(
    {"ndarray", "dtype", "bool_", "bool", "str_", "int8", "int16", "int32", "int64", "uint8"}
    | {"uint16", "uint32", "uint64", "float16", "float32", "float64", "intp", "longlong"}
)
_BUILTINS = frozenset({"bytearray", "set", "frozenset", "slice", "range", "complex", "object"})
_RANDOM = frozenset({"__randomstate_ctor", "__bit_generator_ctor", "__generator_ctor"})


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle names what no model of these libraries needs."""


class Pickled:
    """Stands for an object of XGBoost; holds its state, and runs none of its code."""

    def __init__(self, *_: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


class PickledBooster(Pickled):
    """Stands for ``xgboost.Booster``."""


class PickledModel(Pickled):
    """Stands for an estimator of ``xgboost.sklearn``."""


class BoosterUnpickler(pickle.Unpickler):
    """Knows what a pickled ``Booster`` or ``XGBModel`` names."""

    def find_class(self, module: str, name: str) -> Any:
        """Find what a pickle names; XGBoost's own are replaced by what stands for them."""
        if (module, name) == ("xgboost.core", "Booster"):
            return PickledBooster
        if module == "xgboost.sklearn" and name.startswith("XGB"):
            return PickledModel
        if common(module, name):
            return super().find_class(module, name)
        refuse(module, name)


def common(module: str, name: str) -> bool:
    """Tell whether a name is one of numpy's or Python's that data need."""
    root, _, rest = module.partition(".")
    if module in ("builtins", "__builtin__"):
        return name in _BUILTINS
    if (module, name) in (("_codecs", "encode"), ("collections", "OrderedDict")):
        return True
    if root != "numpy":
        return False
    return (
        (module == "numpy" and name in _NUMPY_CLASSES)
        or (name, rest.rpartition(".")[2]) in _NUMPY
        or module == "numpy.dtypes"
        or (module == "numpy.random._pickle" and name in _RANDOM)
        or (module == "numpy.random._mt19937" and name == "MT19937")
    )


def refuse(module: str, name: str) -> NoReturn:
    """Refuse a name."""
    raise ForbiddenNameError(
        f"it names {module}.{name}, which no model of xgboost or scikit-learn needs"
    )


def read_booster(content: bytes) -> bytearray:
    """Take XGBoost's own bytes out of a pickled ``Booster`` or ``XGBModel``.

    Raises
    ------
    ValueError
        It is neither; says what was found.
    """
    try:
        found = BoosterUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a broken pickle raises anything
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if isinstance(found, PickledModel):
        found = found.state.get("_Booster")
    if not isinstance(found, PickledBooster):
        raise ValueError(f"it holds a {type(found).__name__}, not a Booster")
    handle = found.state.get("handle")
    if not isinstance(handle, (bytes, bytearray)):
        raise ValueError("its Booster is empty: it was pickled before it was trained")
    return bytearray(handle)


def holds_booster(path: Path) -> bool:
    """Tell whether a pickle holds XGBoost's own model; nothing of it is run."""
    with path.open("rb") as file:
        try:
            return isinstance(BoosterUnpickler(file).load(), (PickledBooster, PickledModel))
        except Exception:  # an estimator, or broken: the other reader says so
            return False


def read_estimator(path: Path) -> Any:
    """Load a scikit-learn estimator from a pickle or a file of joblib, compressed or not.

    Raises
    ------
    ValueError
        It is none, or it names what is not scikit-learn's.
    """
    import joblib.numpy_pickle as of_joblib
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap

    class EstimatorUnpickler(of_joblib.NumpyUnpickler):  # type: ignore[misc]
        """Knows the classes of scikit-learn, and what their arrays need."""

        def find_class(self, module: str, name: str) -> Any:
            root = module.partition(".")[0]
            if common(module, name) or module == "joblib.numpy_pickle":
                return super().find_class(module, name)
            if root == "sklearn" or module.startswith("scipy.sparse."):
                found = super().find_class(module, name)
                if isinstance(found, type) or name.startswith(("__pyx_unpickle", "newObj")):
                    return found
            refuse(module, name)

    try:
        with (
            path.open("rb") as file,
            _validate_fileobject_and_memmap(file, str(path), None) as (stream, _),
        ):
            found = EstimatorUnpickler(str(path), stream, True).load()
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not hasattr(found, "predict"):
        raise ValueError(f"it holds a {type(found).__name__}, which has no predict")
    return found
