"""Rules for labels: which labels an objective can learn from.

``objectives`` says which objective has which rule; ``training.labels`` applies it to the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelRule:
    """A rule for labels.

    Attributes
    ----------
    words : str
        The first words of the error message. They are AWS's words if AWS's container has such a
        message.
    holds : callable
        Takes labels, float32 (rows,), and ``num_class``; returns a boolean array (rows,), True for
        allowed labels.
    """

    words: str
    holds: Callable[[Floats, int], Any]


def zero_or_one(loss: str) -> LabelRule:
    """Return the rule that labels must be 0 or 1; the message contains the name of the loss."""
    return LabelRule(
        f"label must be 0 or 1 for {loss}", lambda label, num_class: (label == 0) | (label == 1)
    )


SHARE = LabelRule(
    "label must be in [0,1] for logistic regression",
    lambda label, num_class: (label >= 0) & (label <= 1),
)
CLASS_NUMBER = LabelRule(
    "label must be in [0, num_class) and whole",
    lambda label, num_class: (label >= 0) & (label < num_class) & (label == np.floor(label)),
)
NOT_NEGATIVE = LabelRule("label must be nonnegative", lambda label, num_class: label >= 0)
POSITIVE = LabelRule("label must be positive", lambda label, num_class: label > 0)
ABOVE_MINUS_ONE = LabelRule("label must be greater than -1", lambda label, num_class: label > -1)
