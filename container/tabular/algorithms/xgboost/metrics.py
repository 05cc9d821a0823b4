"""Evaluation metrics of XGBoost jobs, and the objectives that each metric can be used with.

XGBoost computes most metrics, with the weights of the rows. ``training.scores`` computes the
metrics marked ``ours``, which XGBoost does not have, without weights. XGBoost computes ``rmse`` and
``mae`` here; AWS's container computes them with scikit-learn, without weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tabular.algorithms.xgboost.objective import Kind, Objective
from tabular.algorithms.xgboost.objectives import OBJECTIVES, names_of, names_reading
from tabular.training.hyperparameters.values import shown, suggestion

FLOAT32_MAX = 3.4028234663852886e38  # XGBoost holds a threshold in 32 bits
RANKS_MAX = 2**31 - 1


@dataclass(frozen=True)
class ObjectiveRule:
    """A condition that a metric sets on the objective.

    Attributes
    ----------
    words : str
        The error message; ``{metric}`` and ``{objective}`` are filled in.
    holds : callable
        Returns whether the metric can be used with an objective.
    """

    words: str
    holds: Callable[[Objective], bool]


def _is_multiclass(objective: Objective) -> bool:
    return objective.kind is Kind.MULTICLASS


def _is_not_multiclass(objective: Objective) -> bool:
    return objective.kind is not Kind.MULTICLASS


MULTICLASS = ObjectiveRule(
    f"Metric '{{metric}}' needs objective {' or '.join(names_of(_is_multiclass))}, the objective "
    "is {objective}; use error or logloss for two classes, rmse or mae for numbers",
    _is_multiclass,
)
ONE_PREDICTION = ObjectiveRule(
    "Metric '{metric}' needs one number for each row, and {objective} predicts one of several "
    "classes; use mlogloss, merror, accuracy or f1_macro",
    _is_not_multiclass,
)
# AWS's container refuses multiclass objectives for these metrics; XGBoost supports them.
RANKED = ObjectiveRule(
    "Metric '{metric}' can only be applied for classification and ranking problems. The objective "
    "is {objective}; use rmse or mae",
    lambda objective: objective.has_classes or objective.kind is Kind.RANKING,
)
CLASSES = ObjectiveRule(
    "Metric '{metric}' compares classes, and {objective} predicts none; use rmse, mae or r2, or an "
    "objective for classification",
    lambda objective: objective.has_classes,
)
CENSORED = ObjectiveRule(
    "Metric '{metric}' can only be applied for "
    f"'{' or '.join(names_of(lambda row: row.censored))}' objective. The objective is "
    "{objective}; choose another metric or another objective",
    lambda objective: objective.censored,
)
QUANTILE = ObjectiveRule(
    f"Metric '{{metric}}' needs objective {' or '.join(names_reading('quantile_alpha'))}, with "
    "quantile_alpha; the objective is {objective}",
    lambda objective: "quantile_alpha" in objective.required,
)


def _two_classes(instead: str) -> tuple[ObjectiveRule, ...]:
    words = (
        "Target is multiclass but average='binary': metric '{metric}' is for two classes, the "
        f"objective is {{objective}}; use {instead}"
    )
    return CLASSES, ObjectiveRule(words, _is_not_multiclass)


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes
    ----------
    maximized : bool
        Whether more is better.
    ours : bool
        Whether ``training.scores`` computes the metric, because XGBoost does not have it.
    rules : tuple of ObjectiveRule
        The conditions on the objective.
    after : {"", "threshold", "rank", "power"}
        The number that may follow an ``@``: the threshold between two classes, the number of rows
        of a group that count, or Tweedie's variance power, which is required.
    """

    name: str
    maximized: bool = False
    ours: bool = False
    rules: tuple[ObjectiveRule, ...] = ()
    after: str = ""


TABLE = (
    Metric("accuracy", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("aft-nloglik", rules=(CENSORED,)),
    Metric("auc", maximized=True, rules=(RANKED,)),
    # As in AWS's container, it can be used with every objective, unlike auc.
    Metric("aucpr", maximized=True),
    Metric("balanced_accuracy", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("cox-nloglik", rules=(ONE_PREDICTION,)),
    Metric("error", rules=(ONE_PREDICTION,), after="threshold"),
    Metric("f1", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("f1_binary", maximized=True, ours=True, rules=_two_classes("f1_macro")),
    Metric("f1_macro", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("gamma-deviance", rules=(ONE_PREDICTION,)),
    Metric("gamma-nloglik", rules=(ONE_PREDICTION,)),
    # The share of correct predictions. AWS's container minimizes it, by mistake.
    Metric("interval-regression-accuracy", maximized=True, rules=(CENSORED,)),
    Metric("logloss", rules=(ONE_PREDICTION,)),
    Metric("mae", rules=(ONE_PREDICTION,)),
    Metric("map", maximized=True, rules=(ONE_PREDICTION,), after="rank"),
    Metric("mape", rules=(ONE_PREDICTION,)),
    Metric("merror", rules=(MULTICLASS,)),
    Metric("mlogloss", rules=(MULTICLASS,)),
    Metric("mphe", rules=(ONE_PREDICTION,)),
    Metric("mse", ours=True, rules=(ONE_PREDICTION,)),
    Metric("ndcg", maximized=True, rules=(ONE_PREDICTION,), after="rank"),
    Metric("poisson-nloglik", rules=(ONE_PREDICTION,)),
    Metric("pre", maximized=True, rules=(ONE_PREDICTION,), after="rank"),
    Metric(
        "precision",
        maximized=True,
        ours=True,
        rules=_two_classes("precision_macro or precision_micro"),
    ),
    Metric("precision_macro", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("precision_micro", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("quantile", rules=(QUANTILE,)),
    Metric("r2", maximized=True, ours=True, rules=(ONE_PREDICTION,)),
    Metric("recall", maximized=True, ours=True, rules=_two_classes("recall_macro or recall_micro")),
    Metric("recall_macro", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("recall_micro", maximized=True, ours=True, rules=(CLASSES,)),
    Metric("rmse", rules=(ONE_PREDICTION,)),
    Metric("rmsle", rules=(ONE_PREDICTION,)),
    Metric("tweedie-nloglik", rules=(ONE_PREDICTION,), after="power"),
)
ROWS = {row.name: row for row in TABLE}
METRICS = tuple(ROWS)
# A minus at the end counts a group without a relevant row as 0 instead of 1. XGBoost's pre
# ignores the minus.
WITH_MINUS = ("map", "ndcg")


def name_of(metric: str) -> str:
    """Return the name of a metric without number and minus.

    >>> name_of("ndcg@5"), name_of("ndcg-")
    ('ndcg', 'ndcg')
    """
    name, at, _ = metric.partition("@")
    name = name.strip()
    return name[:-1] if not at and name.endswith("-") and name[:-1] in WITH_MINUS else name


def is_maximized(metric: str) -> bool:
    """Return whether more is better; ``ndcg@5`` is like ``ndcg``."""
    row = ROWS.get(name_of(metric))
    return row is not None and row.maximized


def computed_by_xgboost(asked: Sequence[str]) -> list[str]:
    """Return the metrics that XGBoost computes. If empty, XGBoost evaluates its default metric."""
    return [metric for metric in asked if not ROWS[name_of(metric)].ours]


def computed_here(asked: Sequence[str]) -> list[str]:
    """Return the metrics that ``training.scores`` computes."""
    return [metric for metric in asked if ROWS[name_of(metric)].ours]


def normal_form(metric: str) -> str:
    """Write a metric as XGBoost writes it in the log.

    A threshold keeps six digits. A metric that can't be parsed is returned as it is:
    ``metric_error`` reports it.

    >>> normal_form("error@.70"), normal_form("error@0.5"), normal_form("ndcg@5.0")
    ('error@0.7', 'error', 'ndcg@5')
    """
    row = ROWS.get(name_of(metric))
    number, minus = _number(metric)
    if row is None or number is None:
        return metric.strip()
    if row.after == "rank":
        return f"{row.name}@{int(number)}{minus}" if _is_rank(number) else metric.strip()
    if row.after == "threshold" and f"{number:g}" == "0.5":
        return row.name
    return f"{row.name}@{number:g}" if row.after else metric.strip()


def suggested_metric(metric: str) -> str:
    """Suggest the known name that is most similar to an unknown name; empty for a known name."""
    name = name_of(metric)
    return "" if name in ROWS else suggestion(name, METRICS)


def metric_error(metric: str, objective: str) -> str | None:
    """Return why a metric can't be used with an objective, or None if it can."""
    _, at, text = metric.partition("@")
    row = ROWS.get(name_of(metric))
    if "<function" in metric:
        return (
            f"User defined evaluation metric {shown(metric)} is not supported yet. Name one of "
            f"{', '.join(METRICS)}"
        )
    if at and (row is None or not row.after):
        return (
            f"Metric '{shown(metric)}' is not supported. Parameter 'eval_metric' with customized "
            "threshold should be one of these options: 'error', 'ndcg', 'map', 'pre', "
            "'tweedie-nloglik'."
        )
    if row is None:
        known = ", ".join(METRICS)
        return f"Hyperparameter eval_metric: value ['{shown(metric)}'] not in range [{known}]"
    return _number_error(row, metric, text) or next(
        (
            rule.words.format(metric=shown(metric), objective=shown(objective))
            for rule in row.rules
            if not rule.holds(OBJECTIVES[objective])
        ),
        None,
    )


def _number(metric: str) -> tuple[float | None, str]:
    """Parse the part after the ``@``: the number, and the minus after the number."""
    text = metric.partition("@")[2].strip()
    minus = "-" if name_of(metric) in WITH_MINUS and text.endswith("-") else ""
    try:
        number = float(text.removesuffix(minus))
    except ValueError:
        return None, minus
    return (number if abs(number) <= FLOAT32_MAX else None), minus


def _is_rank(number: float) -> bool:
    return number == int(number) and 1 <= number <= RANKS_MAX


def _number_error(row: Metric, metric: str, text: str) -> str | None:
    if "@" not in metric:
        if row.after != "power":
            return None
        return (
            f"Metric '{row.name}' needs the variance power after an @: {row.name}@1.5. Objective "
            f"{' or '.join(names_reading('tweedie_variance_power'))} evaluates it without "
            "eval_metric, with tweedie_variance_power"
        )
    number, _ = _number(metric)
    if number is None:
        return f"Threshold value '{shown(text)}' in '{shown(metric)}' expects float input."
    if row.after == "rank" and not _is_rank(number):
        return (
            f"Threshold value '{shown(text)}' in '{shown(metric)}' is the number of rows of a "
            f"group that count: expects a whole number from 1, as in {row.name}@5"
        )
    if row.after == "power" and not 1 < number < 2:
        return (
            f"Threshold value '{shown(text)}' in '{shown(metric)}' is the variance power: expects "
            f"a number between 1 and 2, as in {row.name}@1.5"
        )
    return None
