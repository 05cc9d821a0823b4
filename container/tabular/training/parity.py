"""Compare the answers of a compiled model with those of its original."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.artifact.manifest import Parity


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


class NotCompilableError(Exception):
    """A model can't be compiled; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """A compiled model that may be served if it agrees with its original.

    Attributes
    ----------
    content : bytes
        ONNX.
    rows : int
        How many rows both were asked for.
    difference : float
        The largest difference between their answers; see ``difference``.
    """

    content: bytes
    rows: int
    difference: float


def agreeing(
    candidates: Callable[[], Iterator[Candidate]], tolerance: float
) -> tuple[Sequence[bytes], Parity]:
    """Compile the models of an artifact, and keep the compiled ones if all of them agree.

    Parameters
    ----------
    candidates : callable
        Compiles one model after the other.
    tolerance : float
        The largest difference of a compiled model that is served.

    Returns
    -------
    (sequence of bytes, Parity)
        The compiled models, none if one differs or can't be compiled, and what the manifest says.
    """
    contents: list[bytes] = []
    rows, largest = 0, 0.0
    try:
        for candidate in candidates():
            contents.append(candidate.content)
            rows += candidate.rows
            largest = max(largest, candidate.difference)
    except NotCompilableError as error:
        return (), Parity(served=False, reason=str(error))
    if largest > tolerance:
        reason = f"the compiled model differs by {largest:.3g}, more than {tolerance:g}"
        return (), Parity(False, reason, tolerance, largest, rows)
    return contents, Parity(True, "", tolerance, largest, rows)
