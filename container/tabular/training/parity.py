"""Compare the predictions of compiled models with those of the native models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.artifact.manifest import Parity


def difference(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """Return the largest difference of two arrays of scores, relative for scores above 1.

    The difference is infinite if the shapes differ, if only one of two values is NaN, or if two
    integers differ (such as cluster numbers).

    >>> float(difference(np.array([1.0, 101.0]), np.array([1.0, 100.0])))
    0.01
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
    """A model can't be compiled. The message is the reason."""


@dataclass(frozen=True)
class Candidate:
    """A compiled model, compared with the native model.

    Attributes
    ----------
    content : bytes
        The ONNX model.
    rows : int
        The number of compared rows.
    difference : float
        The largest difference of the predictions; see ``difference``.
    """

    content: bytes
    rows: int
    difference: float


def compile_and_compare(
    candidates: Callable[[], Iterator[Candidate]], tolerance: float
) -> tuple[Sequence[bytes], Parity]:
    """Compile all models, and return them if all predictions agree with the native models.

    Parameters
    ----------
    candidates : callable
        Returns an iterator that compiles one model after the other.
    tolerance : float
        The largest difference that is allowed.

    Returns
    -------
    (sequence of bytes, Parity)
        The compiled models, and the comparison for the manifest. There are no compiled models if
        one of them differs too much or can't be compiled.
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
