"""Hyperparameters of linear models, besides eta, lambda and alpha, which trees have too."""

from __future__ import annotations

from tabular.contract.interval import NOT_NEGATIVE
from tabular.training.hyperparameters.kinds import Hyperparameter

LINEAR = (
    Hyperparameter(
        "feature_selector",
        "category",
        choices=("cyclic", "shuffle", "random", "greedy", "thrifty"),
        default="cyclic",
        used_with={"booster": "gblinear"},
        description="The order in which features are fitted; the updater shotgun supports cyclic "
        "and shuffle only",
    ),
    Hyperparameter(
        "top_k",
        "integer",
        NOT_NEGATIVE,
        default="0",
        used_with={"booster": "gblinear", "updater": "coord_descent"},
        description="Number of features that greedy and thrifty fit; 0 is all",
    ),
)
