"""Rows of hyperparameters that mean the same to every algorithm."""

from __future__ import annotations

from tabular.training.hyperparameters.kinds import UNIT, Hyperparameter, Interval

SEED = Hyperparameter(
    "seed",
    "integer",
    Interval(-(2**31), 2**31 - 1, low_open=True),
    aliases=("random_state",),
    default="0",
    description="Seed of all that is random",
)
CSV_WEIGHTS = Hyperparameter(
    "csv_weights",
    "integer",
    UNIT,
    passed=False,
    default="0",
    description="1: the second column of CSV without a header is the weight of the row",
)
TARGET = Hyperparameter(
    "target",
    "name",
    passed=False,
    default="the first column",
    description="Name of the label's column, in Parquet and in CSV with a header",
)
WEIGHT = Hyperparameter(
    "weight",
    "name",
    passed=False,
    default="no weights",
    description="Name of the column with the weight of each row",
)
FEATURES = Hyperparameter(
    "features",
    "names",
    passed=False,
    default="all other columns",
    description="Names of the columns to learn from, in the order the model expects them",
)
