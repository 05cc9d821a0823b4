"""The documentation and the launcher's list of hyperparameters, generated from the table.

``tabular.algorithms.generated`` writes the files; a test fails if they differ from the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tabular.algorithms.xgboost.hyperparameters import GROUPS, HYPERPARAMETERS
from tabular.algorithms.xgboost.metrics import METRICS, TABLE
from tabular.algorithms.xgboost.objectives import OBJECTIVES, REMOVED, names_reading
from tabular.contract.errors import UserError
from tabular.training.hyperparameters.kinds import (
    LARGEST_FLOAT,
    LARGEST_INTEGER,
    SWITCH,
    Hyperparameter,
)

INTRODUCTION = f"""\
# Hyperparameters

<!-- Written by {{command}} -->

The hyperparameters of `train` for XGBoost. Names, ranges and aliases are those of AWS's XGBoost
container; hyperparameters of XGBoost 3.2 that AWS's container refuses are accepted too. XGBoost
decides the value of a hyperparameter that is not given: the table shows its default. A value is
text, JSON (`"0.1"`, `[1, 2]`) or a Python literal (`True`, `['auc']`). An unknown name, a value out
of range and a combination that XGBoost can't train end the job before data is read, with one line
that says what to change. Integers go up to {LARGEST_INTEGER}, other numbers up to \
{LARGEST_FLOAT:.2g}.

In a range, `[` and `]` include the end, `(` and `)` exclude it. *Tunable* is the range that
SageMaker's tuner searches if you name no other range; the scaling is {{scaling}}. The launcher
reads [`hyperparameters.json`](../launcher/sagemaker_tabular/hyperparameters.json), which is
generated from the same tables.
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
    "texts": "list of texts",
    "schema": "JSON",
    "name": "column",
    "numbers": "number, or list of numbers",
    "device": "`cpu`, `cuda`, `cuda:N`, `gpu`",
    "monotone": "tuple, or map of names",
    "interaction": "list of lists",
}
# The kinds whose default may be a fixed value. For the other kinds, words such as "all other
# columns" could be read as a value.
WITH_DEFAULT = ("integer", "float", "category", "switch")


def page(command: str) -> str:
    """Return the page of the hyperparameters, in Markdown.

    Parameters
    ----------
    command : str
        The command that writes the page, for its first lines.
    """
    scalings = sorted({row.scaling for row in HYPERPARAMETERS if row.tunable})
    parts = [INTRODUCTION.format(command=command, scaling=" or ".join(scalings).lower())]
    for title, rows in GROUPS.items():
        lines = [f"## {title}", "", HEAD, "|---|---|---|---|---|---|"]
        parts.append("\n".join([*lines, *map(_line, rows)]) + "\n")
    return "\n".join([*parts, _metrics_section(), _combinations_section()])


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
        needs = [_required_setting(row, *pair) for pair in row.used_with.items()]
        what += f"; only with {' and '.join(needs)}"
    default = "**required**" if row.required else row.default
    tunable = f"{row.tunable[0]:g} to {row.tunable[1]:g}" if row.tunable else ""
    goes_to = "XGBoost" if row.passed else "nothing" if row.removed else "the container"
    cells = (names, kind, default, tunable, goes_to, what + ".")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _required_setting(row: Hyperparameter, name: str, value: str) -> str:
    if name == "objective":
        return ", ".join(f"`objective={each}`" for each in _patterns(names_reading(row.name)))
    return f"`{name}`" if name == "_kfold" else f"`{name}={value}`"


def _patterns(names: Iterable[str]) -> list[str]:
    """Shorten names of objectives: ``rank:*`` if all objectives with this prefix are in ``names``.

    >>> _patterns(["rank:map", "rank:ndcg", "rank:pairwise", "reg:gamma"])
    ['rank:*', 'reg:gamma']
    """
    patterns: list[str] = []
    wanted = set(names)
    for name in OBJECTIVES:
        prefix = name.partition(":")[0] + ":"
        of_prefix = {each for each in OBJECTIVES if each.startswith(prefix)}
        whole = len(of_prefix) > 1 and of_prefix <= wanted
        pattern = f"{prefix}*" if whole else name
        if name in wanted and pattern not in patterns:
            patterns.append(pattern)
    return patterns


def _metrics_section() -> str:
    return f"""\
## Metrics

`eval_metric` takes a comma separated list of: {", ".join(f"`{name}`" for name in METRICS)}.
A number may follow: `error@0.7`, `ndcg@5`, `map@5`, `pre@5`; `tweedie-nloglik@1.5` requires it.
With a minus at the end, `ndcg@5-` or `map-`, a group without a relevant row counts 0 instead of 1.
`_tuning_objective_metric` takes the same metrics as `validation:auc`. Without `eval_metric`, the
metric of the objective is evaluated.
"""


def _combinations_section() -> str:
    classes = ", ".join(f"`{name}`" for name in names_reading("num_class"))
    quantile = ", ".join(f"`{name}`" for name in names_reading("quantile_alpha"))
    names: dict[str, list[str]] = {}
    for row in OBJECTIVES.values():
        if row.base_score is not None:
            names.setdefault(str(row.base_score), []).append(row.name)
    scores = ", ".join(
        f"`{interval}` with " + ", ".join(f"`{pattern}`" for pattern in _patterns(found))
        for interval, found in names.items()
    )
    return f"""\
## Combinations

| this | needs, or does not support |
|---|---|
| `objective` {classes} | need `num_class`; no other objective takes it |
| `objective` {quantile} | needs `quantile_alpha` |
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
| `base_score` | in {scores} |
| `csv_weights` | not with `weight` |
| `target`, `weight`, `group`, `features` | each column has one of these roles |
| `feature_types` | as many as `features`; `c` not with `enable_categorical=false` |
| constraints by name | names of `features`, where that is given |
| `early_stopping_rounds` | not with `disable_default_eval_metric` without `eval_metric` |
"""


def specification() -> dict[str, Any]:
    """Return the hyperparameters in the form of SageMaker's API.

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
    """Return the default if SageMaker can send it without any effect, else an empty text.

    A default in words is not a value. XGBoost warns of a value if the hyperparameter in
    ``used_with`` is not given.
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


def metrics() -> dict[str, str]:
    """Return the metrics of ``eval_metric``, each with the tuner's ``Maximize`` or ``Minimize``."""
    return {row.name: "Maximize" if row.maximized else "Minimize" for row in TABLE}


def default_metrics() -> dict[str, dict[str, str]]:
    """Return the metric that each objective evaluates if ``eval_metric`` is not given.

    Returns
    -------
    dict of str to dict
        By objective: ``Metric``, and ``NumberFrom``, the hyperparameter whose value replaces the
        number after the ``@``, where there is one.
    """
    found = {}
    for name in (*OBJECTIVES, *REMOVED):
        row = OBJECTIVES[REMOVED.get(name, name)]
        found[name] = {"Metric": row.metric}
        if row.metric_number:
            found[name]["NumberFrom"] = row.metric_number
    return found
