"""Pickles of models, read by unpicklers that know only the names they need.

A pickle can name any function of Python and have it called; these refuse every name that no
model has, before anything happens. A name with a dot in it, which would be looked up attribute
by attribute, none has.
"""

from __future__ import annotations

import io
import pickle
import pickletools
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
# The state of a random number generator, by module.
_RANDOM = {
    "_pickle": {"__randomstate_ctor", "__bit_generator_ctor", "__generator_ctor"},
    "_mt19937": {"MT19937"},
    "_pcg64": {"PCG64"},
    "bit_generator": {"SeedSequence", "__pyx_unpickle_SeedSequence"},
}


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle names what no model of these libraries needs."""


class Pickled:
    """Stands for an object of XGBoost; holds its state, and runs none of its code."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def get(self, name: str) -> object:
        """Look an attribute up."""
        return self.state.get(name) if isinstance(self.state, dict) else None


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
        if module == "xgboost.sklearn" and name.startswith("XGB") and "." not in name:
            return PickledModel
        if (module, name) == ("xgboost.compat", "XGBoostLabelEncoder"):  # before 1.6
            return Pickled
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
        or (module == "numpy.dtypes" and name.isidentifier() and name.endswith("DType"))
        or (rest.startswith("random.") and name in _RANDOM.get(rest[7:], ()))
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
        found = found.get("_Booster")
    if not isinstance(found, PickledBooster):
        raise ValueError(f"it holds a {type(found).__name__}, not a trained Booster")
    handle = found.get("handle")
    if not isinstance(handle, (bytes, bytearray)):
        raise ValueError("its Booster is empty: it was pickled before it was trained")
    return bytearray(handle)


def holds_booster(path: Path) -> bool:
    """Tell whether a pickle is of XGBoost's own model, by its first name; nothing is loaded."""
    with path.open("rb") as file:
        try:
            texts = (text for _, text, _ in pickletools.genops(file) if isinstance(text, str))
            return next(texts, "").startswith("xgboost.")
        except ValueError:  # compressed, or broken: the other reader says so
            return False
