"""Conditions that all checks of structures use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def require(condition: object, part: Any, what: str) -> None:
    """Raise ValueError unless a condition holds.

    Parameters
    ----------
    part : object
        The object that is checked.
    what : str
        The defect of the object, as the predicate of a sentence: "has children out of range".
    """
    if not bool(condition):
        raise ValueError(f"its {type(part).__name__} {what}; fit() does not produce this")


def within(values: Any, limit: int, least: int = 0) -> bool:
    """Return whether all values of an array are integers in ``[least, limit)``."""
    values = np.asarray(values)
    if values.size == 0:
        return True
    return values.dtype.kind in "iu" and bool(values.min() >= least and values.max() < limit)


def check_width(name: str) -> Callable[[Any], None]:
    """Return a check that an attribute of a model has a column for each feature."""

    def check(model: Any) -> None:
        array = vars(model).get(name)
        if array is not None:
            require(
                array.ndim == 2 and array.shape[1] == model.n_features_in_,
                model,
                f"has {name} of other width",
            )

    return check
