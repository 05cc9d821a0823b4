"""Hyperparameters that all algorithms share, and functions that read a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabular.contract.environment import is_reserved
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.interval import UNIT, Interval
from tabular.data.declared import declared_columns
from tabular.data.layout import Layout
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.values import shown, suggestion

SEED = Hyperparameter(
    "seed",
    "integer",
    Interval(-(2**31), 2**31 - 1, low_open=True),
    aliases=("random_state",),
    default="0",
    description="Seed of the random number generators",
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
VALIDATION_FRACTION = Hyperparameter(
    "validation_fraction",
    "float",
    Interval(0, 1, low_open=True),
    passed=False,
    default="no rows, or the validation channel",
    description="Hold out this fraction of the train channel to compute the metrics of validation, "
    "if there is no validation channel",
)

DROP = Hyperparameter(
    "drop",
    "names",
    layout="drop",
    passed=False,
    default="none",
    description="Names of columns that are not features",
)
MISSING_VALUES = Hyperparameter(
    "missing_values",
    "texts",
    layout="missing",
    passed=False,
    default="the list of pandas.read_csv: an empty cell, NA, N/A, NaN, NULL, None, ...",
    description="The texts that mean a missing value, in place of the default list; an empty cell "
    "always does",
)
SCHEMA = Hyperparameter(
    "schema",
    "schema",
    layout="declared",
    passed=False,
    default="what the values look like",
    description='The kinds of columns as JSON: {"columns": [{"name": "zip", "kind": "category"}]}; '
    "kinds are number, boolean, category and date",
    reader=lambda name, value: declared_columns(value, f"Hyperparameter {name}"),
)
UNKNOWN = Hyperparameter(
    "unknown",
    "category",
    layout="unknown",
    choices=("missing", "error"),
    passed=False,
    default="missing",
    description="What a text in a request is that no training row has: missing, or an error",
)
EXTRA_COLUMNS = Hyperparameter(
    "extra_columns",
    "category",
    layout="extra_columns",
    choices=("error", "ignore"),
    passed=False,
    default="error; ignore in batch transform",
    description="What columns of a request are that the model does not have: an error, or ignored",
)
# What the values of columns are, for all algorithms.
VALUES = (DROP, MISSING_VALUES, SCHEMA, UNKNOWN, EXTRA_COLUMNS)


def layout_of(rows: Sequence[Hyperparameter], values: Mapping[str, Any], **fixed: Any) -> Layout:
    """Build the layout of the columns from hyperparameters.

    Parameters
    ----------
    rows : sequence of Hyperparameter
        The table of the algorithm.
    values : mapping of str to object
        Parsed values, by the name of the row.
    fixed : bool
        Fields of ``Layout`` that the algorithm sets itself.

    Examples
    --------
    >>> layout_of([TARGET], {"target": "price"}, classes=True).target
    'price'
    """
    given = {row.layout: values[row.name] for row in rows if row.layout and row.name in values}
    if "weights" in given:
        given["weights"] = given["weights"] == 1
    if "missing" in given:
        given["missing"] = ["", *given["missing"]]
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    return Layout(**fields, **fixed)


def read_hyperparameters(
    rows: Sequence[Hyperparameter], given: Mapping[str, object], known: str = ""
) -> dict[str, Any]:
    """Read the hyperparameters of a job by the table of its algorithm.

    Parameters
    ----------
    rows : sequence of Hyperparameter
        The table.
    given : mapping of str to object
        Decoded values; None and ``""`` count as not given. Names that SageMaker and the SDK add
        (``sagemaker_...``, ``algorithm``) are ignored if the table does not have them.
    known : str
        Text for the message: where the known hyperparameters are listed. By default the message
        lists them.

    Returns
    -------
    dict of str to object
        Parsed values, by the name of the row.

    Raises
    ------
    UserError
        A hyperparameter is unknown, missing, given twice, can't be read or is out of range.

    Examples
    --------
    >>> read_hyperparameters([SEED], {"random_state": "7", "algorithm": "centroids"})
    {'seed': 7}
    """
    table = {name: row for row in rows for name in (row.name, *row.aliases)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        row = table.get(name)
        if row is None and (name == ALGORITHM or is_reserved(name)):
            continue
        if row is None:
            near = suggestion(name, (*table, ALGORITHM)) or "."
            known = known or f"the algorithm takes {', '.join(row.name for row in rows)}"
            raise UserError(
                f"Extraneous hyperparameter found: {shown(name)}{near} Mend the name or leave it "
                f"out; {known}"
            )
        if value is None or value == "":
            continue
        if row.name in values:
            names = " and ".join((row.name, *row.aliases))
            raise UserError(f"Hyperparameter {row.name} is given twice, as {names}; give it once")
        values[row.name] = row.parse(value)
    for row in rows:
        if row.required and row.name not in values:
            raise UserError(f"Missing required hyperparameter: {row.name}")
    return values
