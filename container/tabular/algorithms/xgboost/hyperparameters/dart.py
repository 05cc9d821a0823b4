"""Hyperparameters of trees with dropout."""

from __future__ import annotations

from tabular.contract.interval import UNIT
from tabular.training.hyperparameters.kinds import Hyperparameter

DART_BOOSTER = {"booster": "dart"}

DART = (
    Hyperparameter(
        "sample_type",
        "category",
        choices=("uniform", "weighted"),
        default="uniform",
        used_with=DART_BOOSTER,
        description="How the trees to drop are drawn",
    ),
    Hyperparameter(
        "normalize_type",
        "category",
        choices=("tree", "forest"),
        default="tree",
        used_with=DART_BOOSTER,
        description="tree: a new tree has the weight of each dropped tree; forest: a new tree has "
        "the weight of the sum of the dropped trees",
    ),
    Hyperparameter(
        "rate_drop",
        "float",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="Share of the trees that a round drops",
    ),
    Hyperparameter(
        "one_drop",
        "integer",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="1: each round drops at least one tree",
    ),
    Hyperparameter(
        "skip_drop",
        "float",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="Probability that a round drops no tree",
    ),
)
