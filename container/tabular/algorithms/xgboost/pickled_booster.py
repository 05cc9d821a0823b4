"""Read the model out of a pickled ``Booster`` or ``XGBModel``, without running pickled code."""

from __future__ import annotations

import io

from tabular.artifact.pickles.common_names import find_common_name
from tabular.artifact.pickles.unpickler import AllowedName, CreatableClass, RestrictedUnpickler


class Pickled:
    """Replaces an object of XGBoost; it keeps the pickled state and does nothing else."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def get(self, name: str) -> object:
        """Return an attribute of the pickled state, or None."""
        return self.state.get(name) if isinstance(self.state, dict) else None


class PickledBooster(Pickled):
    """Replaces ``xgboost.Booster``."""


class PickledModel(Pickled):
    """Replaces an estimator of ``xgboost.sklearn``."""


def _find(module: str, name: str) -> AllowedName | None:
    """Return the rule for a name in a pickle. The classes of XGBoost are replaced."""
    if (module, name) == ("xgboost.core", "Booster"):
        return CreatableClass(PickledBooster, _any_state)
    if module == "xgboost.sklearn" and name.startswith("XGB"):
        return CreatableClass(PickledModel, _any_state)
    if (module, name) == ("xgboost.compat", "XGBoostLabelEncoder"):  # before 1.6
        return CreatableClass(Pickled, _any_state)
    return find_common_name(module, name)


def _any_state(_: object, __: object) -> None:
    """Accept any state: nothing reads it before ``read_booster`` checks it."""


def read_booster(content: bytes) -> bytearray:
    """Return the model of a pickled ``Booster`` or ``XGBModel``, as XGBoost saved it.

    Raises
    ------
    ValueError
        The pickle holds neither, or the Booster is not trained. The message says what was found.
    """
    try:
        found = RestrictedUnpickler(io.BytesIO(content), _find).load()
    except Exception as error:  # a broken pickle may raise any exception
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if isinstance(found, PickledModel):
        found = found.get("_Booster")
    if not isinstance(found, PickledBooster):
        raise ValueError(f"it holds a {type(found).__name__}, not a trained Booster")
    handle = found.get("handle")
    if not isinstance(handle, (bytes, bytearray)):
        raise ValueError("its Booster is empty: it was pickled before it was trained")
    return bytearray(handle)
