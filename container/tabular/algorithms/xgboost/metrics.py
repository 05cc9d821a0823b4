"""Evaluation metrics: which there are, and which objectives they go with.

XGBoost computes most of them, with the rows' weights. Those marked ``ours`` are computed by
``training.scores``, without weights. ``rmse`` and ``mae`` are XGBoost's here; AWS's container
computes them with scikit-learn, without weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabular.training.hyperparameters.values import shown, suggestion

FLOAT32_MAX = 3.4028234663852886e38  # XGBoost holds a threshold in 32 bits
RANKS_MAX = 2**31 - 1


@dataclass(frozen=True)
class Rule:
    """Which objectives a metric goes with; an objective is known by how its name begins.

    Attributes
    ----------
    words : str
        What to say of the others; ``{metric}`` and ``{objective}`` are filled in.
    only, never : tuple of str
        Beginnings of the names of objectives. Without ``only``, all but those of ``never``.
    """

    words: str
    only: tuple[str, ...] = ("",)
    never: tuple[str, ...] = ()

    def holds(self, objective: str) -> bool:
        """Tell whether the metric goes with an objective."""
        return objective.startswith(self.only) and not objective.startswith(self.never)


SEVERAL_CLASSES = Rule(
    "Metric '{metric}' needs objective multi:softmax or multi:softprob, the objective is "
    "{objective}; use error or logloss with binary:, rmse or mae with reg:",
    only=("multi:",),
)
ONE_PREDICTION = Rule(
    "Metric '{metric}' needs one number for each row, and {objective} predicts one of several "
    "classes; use mlogloss, merror, accuracy or f1_macro",
    never=("multi:",),
)
# AWS refuses multi: too, which XGBoost has learnt since. reg:logistic predicts a probability.
RANKED = Rule(
    "Metric '{metric}' can only be applied for classification and ranking problems. The objective "
    "is {objective}; use rmse or mae",
    only=("binary:", "multi:", "rank:", "reg:logistic"),
)
CLASSIFIED = Rule(
    "Metric '{metric}' compares classes, and {objective} predicts none; use rmse, mae or r2, or an "
    "objective binary: or multi:",
    only=("binary:", "multi:", "reg:logistic"),
)
SURVIVAL = Rule(
    "Metric '{metric}' can only be applied for 'survival:aft' objective. The objective is "
    "{objective}; choose another of both",
    only=("survival:aft",),
)
QUANTILE = Rule(
    "Metric '{metric}' needs objective reg:quantileerror, with quantile_alpha; the objective is "
    "{objective}",
    only=("reg:quantileerror",),
)


def _two_classes(instead: str) -> tuple[Rule, ...]:
    words = (
        "Target is multiclass but average='binary': metric '{metric}' is for two classes, the "
        f"objective is {{objective}}; use {instead}"
    )
    return CLASSIFIED, Rule(words, never=("multi:",))


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes
    ----------
    maximized : bool
        More is better.
    ours : bool
        XGBoost does not know it.
    rules : tuple of Rule
        What it asks of the objective.
    after : {"", "threshold", "rank", "power"}
        What may stand after an ``@``: a number that divides two classes, how many rows of a
        group count, or the variance power of Tweedie, which must be there.
    """

    name: str
    maximized: bool = False
    ours: bool = False
    rules: tuple[Rule, ...] = ()
    after: str = ""


TABLE = (
    Metric("accuracy", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("aft-nloglik", rules=(SURVIVAL,)),
    Metric("auc", maximized=True, rules=(RANKED,)),
    # As in AWS's container, not held to the objectives of auc.
    Metric("aucpr", maximized=True),
    Metric("balanced_accuracy", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("cox-nloglik", rules=(ONE_PREDICTION,)),
    Metric("error", rules=(ONE_PREDICTION,), after="threshold"),
    Metric("f1", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("f1_binary", maximized=True, ours=True, rules=_two_classes("f1_macro")),
    Metric("f1_macro", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("gamma-deviance", rules=(ONE_PREDICTION,)),
    Metric("gamma-nloglik", rules=(ONE_PREDICTION,)),
    # AWS's container counts it among those to minimize, though it is a share of right ones.
    Metric("interval-regression-accuracy", maximized=True, rules=(SURVIVAL,)),
    Metric("logloss", rules=(ONE_PREDICTION,)),
    Metric("mae", rules=(ONE_PREDICTION,)),
    Metric("map", maximized=True, rules=(ONE_PREDICTION,), after="rank"),
    Metric("mape", rules=(ONE_PREDICTION,)),
    Metric("merror", rules=(SEVERAL_CLASSES,)),
    Metric("mlogloss", rules=(SEVERAL_CLASSES,)),
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
    Metric("precision_macro", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("precision_micro", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("quantile", rules=(QUANTILE,)),
    Metric("r2", maximized=True, ours=True, rules=(ONE_PREDICTION,)),
    Metric("recall", maximized=True, ours=True, rules=_two_classes("recall_macro or recall_micro")),
    Metric("recall_macro", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("recall_micro", maximized=True, ours=True, rules=(CLASSIFIED,)),
    Metric("rmse", rules=(ONE_PREDICTION,)),
    Metric("rmsle", rules=(ONE_PREDICTION,)),
    Metric("tweedie-nloglik", rules=(ONE_PREDICTION,), after="power"),
)
ROWS = {row.name: row for row in TABLE}
METRICS = tuple(ROWS)
# A minus at the end counts a group without a relevant row as 0 instead of 1; pre ignores it.
WITH_MINUS = ("map", "ndcg")


def name_of(metric: str) -> str:
    """Strip what is added to a name: ``ndcg`` of ``ndcg@5`` and of ``ndcg-``."""
    name, at, _ = metric.partition("@")
    name = name.strip()
    return name[:-1] if not at and name.endswith("-") and name[:-1] in WITH_MINUS else name


def is_maximized(metric: str) -> bool:
    """Tell whether more is better, for ``ndcg@5`` as for ``ndcg``."""
    row = ROWS.get(name_of(metric))
    return row is not None and row.maximized


def native(asked: Sequence[str]) -> list[str]:
    """Pick the metrics that XGBoost computes; where none is left, it takes its default."""
    return [metric for metric in asked if not ROWS[name_of(metric)].ours]


def ours(asked: Sequence[str]) -> list[str]:
    """Pick the metrics that ``tabular.algorithms.xgboost.training.scores`` computes."""
    return [metric for metric in asked if ROWS[name_of(metric)].ours]


def normal_form(metric: str) -> str:
    """Spell a metric as XGBoost does in its log: ``error@0.7`` for ``error@.70``.

    ``error@0.5`` is ``error``. A threshold keeps six digits, as in the log. What can't be read
    stays as it is: ``metric_error`` explains it.
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


def near(metric: str) -> str:
    """Offer the known name that is nearest to an unknown one."""
    name = name_of(metric)
    return "" if name in ROWS else suggestion(name, METRICS)


def metric_error(metric: str, objective: str) -> str | None:
    """Say why a metric can't be used with an objective, or None when it can."""
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
            if not rule.holds(objective)
        ),
        None,
    )


def _number(metric: str) -> tuple[float | None, str]:
    """Read what stands after the ``@``: the number, and the minus behind it."""
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
            "reg:tweedie reports it without being asked, with tweedie_variance_power"
        )
    number, _ = _number(metric)
    if number is None:
        return f"Threshold value '{shown(text)}' in '{shown(metric)}' expects float input."
    if row.after == "rank" and not _is_rank(number):
        return (
            f"Threshold value '{shown(text)}' in '{shown(metric)}' is how many rows of a group "
            f"count: expects a whole number from 1, as in {row.name}@5"
        )
    if row.after == "power" and not 1 < number < 2:
        return (
            f"Threshold value '{shown(text)}' in '{shown(metric)}' is the variance power: expects "
            f"a number between 1 and 2, as in {row.name}@1.5"
        )
    return None
