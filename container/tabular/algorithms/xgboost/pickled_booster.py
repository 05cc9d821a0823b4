"""Pickled models of XGBoost: the bytes of the model are taken out, and none of its code runs."""

from __future__ import annotations

import io

from tabular.artifact.pickles.common_names import find_common_name
from tabular.artifact.pickles.unpickler import AllowedName, CreatableClass, RestrictedUnpickler


class Pickled:
    """Stands for an object of XGBoost; holds its state, and runs none of its code."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def get(self, name: str) -> object:
        """Look an attribute up."""
        return self.state.get(name) if isinstance(self.state, dict) else None


class PickledBooster(Pickled):
    """Stands for ``xgboost.Booster``."""


class PickledModel(Pickled):
    """Stands for an estimator of ``xgboost.sklearn``."""


def _find(module: str, name: str) -> AllowedName | None:
    """Return the rule for a name in a pickled ``Booster`` or ``XGBModel``, or None."""
    if (module, name) == ("xgboost.core", "Booster"):
        return CreatableClass(PickledBooster, _any_state)
    if module == "xgboost.sklearn" and name.startswith("XGB"):
        return CreatableClass(PickledModel, _any_state)
    if (module, name) == ("xgboost.compat", "XGBoostLabelEncoder"):  # before 1.6
        return CreatableClass(Pickled, _any_state)
    return find_common_name(module, name)


def _any_state(_: object, __: object) -> None:
    """Take any state: it is only kept."""


def read_booster(content: bytes) -> bytearray:
    """Take XGBoost's own bytes out of a pickled ``Booster`` or ``XGBModel``.

    Raises
    ------
    ValueError
        It is neither; says what was found.
    """
    try:
        found = RestrictedUnpickler(io.BytesIO(content), _find).load()
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
