"""Rows of hyperparameters that mean the same to every algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabular.contract.interval import UNIT, Interval
from tabular.data.layout import Layout
from tabular.training.hyperparameters.kinds import Hyperparameter

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
    layout="weights",
    passed=False,
    default="0",
    description="1: the second column of CSV without a header is the weight of the row",
)
TARGET = Hyperparameter(
    "target",
    "name",
    layout="target",
    passed=False,
    default="the first column",
    description="Name of the label's column, in Parquet and in CSV with a header",
)
WEIGHT = Hyperparameter(
    "weight",
    "name",
    layout="weight",
    passed=False,
    default="no weights",
    description="Name of the column with the weight of each row",
)
FEATURES = Hyperparameter(
    "features",
    "names",
    layout="features",
    passed=False,
    default="all other columns",
    description="Names of the columns to learn from, in the order the model expects them",
)


def layout_of(rows: Sequence[Hyperparameter], values: Mapping[str, Any], **fixed: Any) -> Layout:
    """Build the layout of the columns from hyperparameters.

    Parameters
    ----------
    rows : sequence of Hyperparameter
        The table of the algorithm.
    values : mapping of str to object
        Parsed values, by the name of the row.
    fixed : bool
        Fields of ``Layout`` that the algorithm decides.

    Examples
    --------
    >>> layout_of([TARGET], {"target": "price"}, classes=True).target
    'price'
    """
    given = {row.layout: values[row.name] for row in rows if row.layout and row.name in values}
    if "weights" in given:
        given["weights"] = given["weights"] == 1
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    return Layout(**fields, **fixed)
