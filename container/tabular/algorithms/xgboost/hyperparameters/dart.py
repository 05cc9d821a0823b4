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
        description="How trees are drawn for the dropout",
    ),
    Hyperparameter(
        "normalize_type",
        "category",
        choices=("tree", "forest"),
        default="tree",
        used_with=DART_BOOSTER,
        description="Whether a new tree weighs as much as each dropped one, or as all together",
    ),
    Hyperparameter(
        "rate_drop",
        "float",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="Share of the trees that is dropped in a round",
    ),
    Hyperparameter(
        "one_drop",
        "integer",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="1: at least one tree is dropped in each round",
    ),
    Hyperparameter(
        "skip_drop",
        "float",
        UNIT,
        default="0",
        used_with=DART_BOOSTER,
        description="How likely a round is to go without dropout",
    ),
)
