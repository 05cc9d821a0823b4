"""What a model's scores mean: whose they are, and of which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Meaning:
    """What ``selection`` has to know to make labels and probabilities of scores.

    Attributes
    ----------
    objective : str
        XGBoost's name of it (``binary:logistic``); empty for a scikit-learn estimator.
    num_class : int
        Of XGBoost's ``multi:*`` objectives, else 0.
    classes : sequence
        The labels of a scikit-learn classifier, in the order of its probabilities; empty for a
        regressor.
    has_probabilities : bool
        Whether a scikit-learn classifier has ``predict_proba``.
    """

    objective: str
    num_class: int = 0
    classes: Sequence[Any] = ()
    has_probabilities: bool = True
