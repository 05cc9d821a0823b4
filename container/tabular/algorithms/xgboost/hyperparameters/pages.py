"""Writes the documentation and the launcher's list of hyperparameters from the table.

``python -m tabular.algorithms.xgboost.hyperparameters.pages docs/hyperparameters.md
launcher/sagemaker_tabular/hyperparameters.json``, in the repository with ``PYTHONPATH=container``.
A test fails when the files differ from the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabular.algorithms.xgboost.hyperparameters import GROUPS, HYPERPARAMETERS
from tabular.algorithms.xgboost.metrics import METRICS
from tabular.contract.errors import UserError
from tabular.training.hyperparameters.kinds import (
    LARGEST_FLOAT,
    LARGEST_INTEGER,
    SWITCH,
    Hyperparameter,
)

COMMAND = (
    "PYTHONPATH=container python -m tabular.algorithms.xgboost.hyperparameters.pages "
    "docs/hyperparameters.md launcher/sagemaker_tabular/hyperparameters.json"
)
INTRODUCTION = f"""\
# Hyperparameters

<!-- Written by {COMMAND} -->

What `train` takes in algorithm mode. Names, ranges and aliases are those of AWS's XGBoost
container; what it refuses and XGBoost 3.2 knows is taken too. One that is not given is left to
XGBoost, whose default the table shows. A value may come as text, as JSON (`"0.1"`, `[1, 2]`)
or in Python's spelling (`True`, `['auc']`). An unknown name, a value out of range and a
combination that XGBoost can't train end the job before data is read, with one line that says
what to change. Whole numbers go up to {LARGEST_INTEGER}, others up to {LARGEST_FLOAT:.2g}.

In a range `[` and `]` belong to it, `(` and `)` do not. *Tunable* is what SageMaker's tuner
searches unless you name a range of your own; the scaling is {{scaling}}. The launcher reads the
same from [`hyperparameters.json`](../launcher/sagemaker_tabular/hyperparameters.json).
"""
OUTRODUCTION = f"""\
## Metrics

`eval_metric` takes a comma separated list of: {", ".join(f"`{name}`" for name in METRICS)}; and
with a number `error@0.7`, `ndcg@5`, `map@5`, `pre@5`, and `tweedie-nloglik@1.5`, which needs one;
with a minus at the end, `ndcg@5-` or `map-`, a group without a relevant row counts 0 instead of 1.
`_tuning_objective_metric` takes them as `validation:auc`.

## What goes together

| this | needs, or does not go with |
|---|---|
| `objective` `multi:softmax`, `multi:softprob` | need `num_class`; no other objective takes it |
| `objective` `reg:quantileerror` | needs `quantile_alpha` |
| `updater` with `booster=gblinear` | exactly one of `shotgun`, `coord_descent` |
| `updater` with `process_type=update` | `refresh`, `prune` or both; one must be given |
| `updater` otherwise | one that grows trees, first; then any of `sync`, `refresh`, `prune` |
| `updater` `grow_gpu_hist`, `grow_gpu_approx` | mean `device=cuda` |
| `tree_method` `exact`, `updater` `grow_colmaker` | not with `max_depth=0`, `colsample_bynode` \
below 1, `sampling_method=gradient_based` with `subsample` below 1, categories, a GPU |
| `booster` `gblinear` | not with categories; `feature_selector` `random`, `greedy` and `thrifty` \
need `updater=coord_descent` |
| `multi_strategy` `multi_output_tree` | not with `dart`, `exact`, `approx`, \
`monotone_constraints`, `interaction_constraints`, categories |
| `base_score` | in `[0, 1]` with `binary:logistic` and `reg:logistic`, `[0, +inf)` with \
`count:poisson`, `(0, +inf)` with `reg:gamma`, `reg:tweedie`, `survival:*`, `(-1, +inf)` with \
`reg:squaredlogerror` |
| `csv_weights` | not with `weight` |
| `target`, `weight`, `group`, `features` | each column has one of these roles |
| `feature_types` | as many as `features`; `c` not with `enable_categorical=false` |
| constraints by name | names of `features`, where that is given |
| `early_stopping_rounds` | not with `disable_default_eval_metric` without `eval_metric` |
"""
HEAD = "| name | type and range | default | tunable | goes to | what it is |"
TYPES = {
    "integer": "integer",
    "float": "number",
    "category": "one of",
    "switch": "true or false",
    "list": "list",
    "choices": "list of",
    "names": "list of columns",
    "name": "column",
    "numbers": "number, or list of numbers",
    "device": "`cpu`, `cuda`, `cuda:N`, `gpu`",
    "monotone": "tuple, or map of names",
    "interaction": "list of lists",
}
# One companion stands for all of its kind.
SHOWN_COMPANIONS = {
    ("_kfold", "2"): "_kfold",
    ("objective", "binary:logistic"): "objective=binary:*",
    ("objective", "multi:softmax"): "objective=multi:*",
    ("objective", "rank:ndcg"): "objective=rank:*",
}
# A list and a column's name are left out: any word could be one.
WITH_DEFAULT = ("integer", "float", "category", "switch")


def page() -> str:
    """Write the documentation, in Markdown."""
    scalings = sorted({row.scaling for row in HYPERPARAMETERS if row.tunable})
    parts = [INTRODUCTION.format(scaling=" or ".join(scalings).lower())]
    for title, rows in GROUPS.items():
        lines = [f"## {title}", "", HEAD, "|---|---|---|---|---|---|"]
        parts.append("\n".join([*lines, *map(_line, rows)]) + "\n")
    return "\n".join([*parts, OUTRODUCTION])


def _line(row: Hyperparameter) -> str:
    names = f"`{row.name}`" + "".join(f", `{alias}`" for alias in row.aliases)
    kind = TYPES[row.kind]
    if row.choices:
        kind += " " + ", ".join(f"`{choice}`" for choice in row.choices)
    if row.interval is not None:
        kind += f" {row.interval}"
    what = row.description
    if row.removed:
        what += f"; {row.removed}"
    if row.used_with:
        needs = (SHOWN_COMPANIONS.get(pair, "=".join(pair)) for pair in row.used_with.items())
        what += f"; only with {' and '.join(f'`{need}`' for need in needs)}"
    default = "**required**" if row.required else row.default
    tunable = f"{row.tunable[0]:g} to {row.tunable[1]:g}" if row.tunable else ""
    goes_to = "XGBoost" if row.passed else "nobody" if row.removed else "the container"
    cells = (names, kind, default, tunable, goes_to, what + ".")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def specification() -> dict[str, Any]:
    """List the hyperparameters as SageMaker's API wants them.

    Returns
    -------
    dict
        ``SupportedHyperParameters``: for CreateAlgorithm's TrainingSpecification (Marketplace).
        ``ParameterRanges``: for CreateHyperParameterTuningJob.
    """
    rows = [row for row in HYPERPARAMETERS if not row.removed]
    return {
        "SupportedHyperParameters": [_specified(row) for row in rows],
        "ParameterRanges": {
            f"{word}ParameterRanges": [
                {
                    "Name": row.name,
                    "MinValue": _text(row.tunable[0]),
                    "MaxValue": _text(row.tunable[1]),
                    "ScalingType": row.scaling,
                }
                for row in rows
                if row.kind == kind and row.tunable
            ]
            for kind, word in (("integer", "Integer"), ("float", "Continuous"))
        },
    }


def _specified(row: Hyperparameter) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Name": row.name,
        "Description": row.description,
        "Type": {
            "integer": "Integer",
            "float": "Continuous",
            "category": "Categorical",
            "switch": "Categorical",
        }.get(row.kind, "FreeText"),
        "IsTunable": row.tunable is not None,
        "IsRequired": row.required,
    }
    if entry["Type"] in ("Integer", "Continuous") and row.interval is not None:
        largest = LARGEST_INTEGER if row.kind == "integer" else LARGEST_FLOAT
        low, high = max(row.interval.low, -largest), min(row.interval.high, largest)
        ends = {"MinValue": _text(low), "MaxValue": _text(high)}
        entry["Range"] = {f"{entry['Type']}ParameterRangeSpecification": ends}
    elif entry["Type"] == "Categorical":
        values = list(row.choices) or sorted({str(word).lower() for word in SWITCH.values()})
        entry["Range"] = {"CategoricalParameterRangeSpecification": {"Values": values}}
    default = _fixed_default(row)
    if default:
        entry["DefaultValue"] = default
    return entry


def _fixed_default(row: Hyperparameter) -> str:
    """Find the default that SageMaker may send in the customer's place, without any effect.

    Words are none, and a value that needs a companion would make XGBoost warn.
    """
    if row.used_with or row.kind not in WITH_DEFAULT:
        return ""
    try:
        row.parse(row.default)
    except UserError:
        return ""
    return row.default


def _text(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 2**53 else repr(number)


def main(arguments: Sequence[str]) -> None:
    """Write both files: the page, then the list."""
    docs, listing = map(Path, arguments)
    docs.write_text(page(), encoding="utf-8")
    listing.write_text(
        json.dumps(specification(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
