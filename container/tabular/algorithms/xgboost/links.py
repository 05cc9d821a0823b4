"""What an objective makes of margins, and margins of its base score; numpy alone.

A compiled model gives margins, the sums of its leaves; the functions here make scores of them
as XGBoost does (``PredTransform`` and ``ProbToMargin`` in its ``src/objective``), in float32,
and nearly always to the last bit: what AWS's container answers, byte for byte.
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
# XGBoost's own bound, below the largest number that float32's exp takes.
LARGEST_EXPONENT = np.float32(88.7)
# Of so few numbers plain Python takes half the time of NumPy's calls, each of which is cold.
FEW = 8


@dataclass(frozen=True)
class Link:
    """How one objective goes from margins to scores.

    Attributes
    ----------
    scores : callable
        Of margins, float32, (rows, groups): scores, (rows,) or (rows, groups).
    base_margin : callable
        Of base scores as a saved model has them: the margins that its trees add to.
    classes : bool
        Scores are classes: no mean can be taken of them.
    """

    scores: Callable[[Floats], Floats]
    base_margin: Callable[[Floats], Floats]
    classes: bool = False


def _same(margins: Floats) -> Floats:
    return margins[:, 0] if margins.shape[1] == 1 else margins


def _powers(exponents: Floats) -> Floats:
    """Raise e in float64 and round: the float32 that C's expf gives, to the last bit."""
    return np.exp(exponents, dtype=np.float64).astype(np.float32)


def _sigmoid(margins: Floats) -> Floats:
    margins = _same(margins)
    if margins.ndim == 1 and len(margins) <= FEW:
        # float64 holds sums and quotients of float32 so exactly that rounding them once more, as
        # array() does, gives what float32 alone gives.
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

# An objective that is not here is served by XGBoost itself.
LINKS = {
    "binary:hinge": Link(_hinge, _unchanged, classes=True),
    "binary:logistic": LOGISTIC,
    "binary:logitraw": IDENTITY,
    "count:poisson": EXPONENTIAL,
    "multi:softmax": Link(_softmax, _unchanged, classes=True),
    "multi:softprob": Link(_softprob, _unchanged),
    "rank:map": IDENTITY,
    "rank:ndcg": IDENTITY,
    "rank:pairwise": IDENTITY,
    "reg:absoluteerror": IDENTITY,
    "reg:gamma": EXPONENTIAL,
    "reg:logistic": LOGISTIC,
    "reg:pseudohubererror": IDENTITY,
    "reg:quantileerror": IDENTITY,
    "reg:squarederror": IDENTITY,
    "reg:squaredlogerror": IDENTITY,
    "reg:tweedie": EXPONENTIAL,
    "survival:aft": EXPONENTIAL,
    "survival:cox": EXPONENTIAL,
}
