"""What a model's scores mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Meaning:
    """What a model's scores mean.

    Attributes
    ----------
    objective : str
        XGBoost's name of it; empty for a scikit-learn estimator.
    num_class : int
        Classes of a multiclass objective, else 0.
    classes : sequence
        Labels of a classifier, in the order of its probabilities.
    """

    objective: str
    num_class: int = 0
    classes: Sequence[Any] = ()
