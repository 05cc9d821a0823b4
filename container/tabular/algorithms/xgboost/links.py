"""Link functions of XGBoost's objectives: margins to scores, and base scores to margins.

A compiled model computes margins: the sums of its leaves. A link turns them into the scores that
XGBoost computes (``PredTransform`` and ``ProbToMargin`` in XGBoost's ``src/objective``), in
float32. The bits are nearly always the same. AWS's container returns XGBoost's scores.

``objectives`` says which objective has which link. This module imports NumPy only.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

ONE = np.float32(1)
# XGBoost's own bound, just below the largest exponent that float32's exp accepts.
LARGEST_EXPONENT = np.float32(88.7)
# For at most 8 numbers, plain Python takes half the time of NumPy's calls.
FEW = 8


@dataclass(frozen=True)
class Link:
    """The link function of an objective, and its inverse.

    Attributes
    ----------
    scores : callable
        Converts margins, float32 (rows, groups), to scores, float32 (rows,) or (rows, groups).
    base_margin : callable
        Converts the base scores of a saved model to the margins that its trees add to.
    """

    scores: Callable[[Floats], Floats]
    base_margin: Callable[[Floats], Floats]


def _same(margins: Floats) -> Floats:
    return margins[:, 0] if margins.shape[1] == 1 else margins


def _powers(exponents: Floats) -> Floats:
    """Compute exp in float64 and round it to float32: the same bits as C's expf."""
    return np.exp(exponents, dtype=np.float64).astype(np.float32)


def _sigmoid(margins: Floats) -> Floats:
    margins = _same(margins)
    if margins.ndim == 1 and len(margins) <= FEW:
        # float64 is exact enough here: rounding each result to float32, as array("f") does, gives
        # the same bits as float32 arithmetic.
        most = float(LARGEST_EXPONENT)
        powers = array("f", [math.exp(min(-margin, most)) for margin in margins.tolist()])
        sums = array("f", [1 + power for power in powers])
        return np.frombuffer(array("f", [1 / each for each in sums]), np.float32)
    return cast(Floats, ONE / (ONE + _powers(np.minimum(-margins, LARGEST_EXPONENT))))


def _exp(margins: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return _powers(_same(margins))


def _hinge(margins: Floats) -> Floats:
    return cast(Floats, (_same(margins) > 0).astype(np.float32))


def _softprob(margins: Floats) -> Floats:
    powers = _powers(margins - margins.max(axis=1, keepdims=True))
    total = powers.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return cast(Floats, powers / total)


def _softmax(margins: Floats) -> Floats:
    return cast(Floats, margins.argmax(axis=1).astype(np.float32))


def _unchanged(base: Floats) -> Floats:
    return base


def _logit(base: Floats) -> Floats:
    return -_log(ONE / base - ONE)


def _log(base: Floats) -> Floats:
    return np.log(base, dtype=np.float64).astype(np.float32)


IDENTITY = Link(_same, _unchanged)
LOGISTIC = Link(_sigmoid, _logit)
EXPONENTIAL = Link(_exp, _log)
HINGE = Link(_hinge, _unchanged)
SOFTMAX = Link(_softmax, _unchanged)
SOFTPROB = Link(_softprob, _unchanged)
