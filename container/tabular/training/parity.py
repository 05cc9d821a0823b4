"""How far what a compiled model answers is from its original."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def difference(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """Find the largest difference, relative above 1.

    Infinite where shapes differ, one is NaN and the other not, or whole numbers (the number of
    a cluster) are others.
    """
    if ours.shape != theirs.shape:
        return np.inf
    if theirs.dtype.kind in "iu":
        return 0.0 if (ours == theirs).all() else np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs) / np.maximum(1, np.abs(theirs))
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    apart = np.where(same, 0, np.where(np.isnan(apart), np.inf, apart))
    return float(apart.max(initial=0))
