"""The names that pickles of models of any library may use: Python's, numpy's and joblib's."""

from __future__ import annotations

from tabular.artifact.pickles.builtin_values import BUILTIN_VALUES
from tabular.artifact.pickles.joblib_arrays import JOBLIB_ARRAYS
from tabular.artifact.pickles.numpy_values import NUMPY_VALUES, find_numpy_name
from tabular.artifact.pickles.random_states import random_states
from tabular.artifact.pickles.unpickler import AllowedName

COMMON = {**BUILTIN_VALUES, **NUMPY_VALUES, **JOBLIB_ARRAYS}


def find_common_name(module: str, name: str) -> AllowedName | None:
    """Return the rule for a name of Python, numpy or joblib; None if the name is not allowed."""
    if (module, name) in COMMON:
        return COMMON[module, name]
    if module.startswith("numpy.random."):
        return random_states().get((module.removeprefix("numpy.random."), name))
    return find_numpy_name(module, name)
