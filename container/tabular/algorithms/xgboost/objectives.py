"""XGBoost's objectives: one row for each objective, with every rule about the objective.

Hyperparameters, labels, metrics, folds, links, selectable inference, the model's page and the
launcher's metric definitions read these rows. To add an objective, add a row.

Serving imports this module for every XGBoost model: it imports no xgboost and no training code.
"""

from __future__ import annotations

from collections.abc import Callable

from tabular.algorithms import selection_keys
from tabular.algorithms.predictor import Meaning
from tabular.algorithms.xgboost import label_rules, links
from tabular.algorithms.xgboost.objective import Kind, Objective, Predicts
from tabular.contract.interval import NOT_NEGATIVE, POSITIVE, UNIT, Interval

LAMBDARANK = (
    "lambdarank_pair_method",
    "lambdarank_num_pair_per_sample",
    "lambdarank_normalization",
    "lambdarank_score_normalization",
    "lambdarank_unbiased",
    "lambdarank_bias_norm",
    "ndcg_exp_gain",
)
TABLE = (
    Objective(
        "binary:hinge",
        Kind.BINARY,
        Predicts.CLASSES,
        answer="the class, 0 or 1",
        link=links.HINGE,
        metric="error",
        keys=selection_keys.LABEL,
        labels=label_rules.zero_or_one("hinge loss"),
    ),
    Objective(
        "binary:logistic",
        Kind.BINARY,
        Predicts.PROBABILITIES,
        answer="the probability of class 1",
        link=links.LOGISTIC,
        metric="logloss",
        keys=selection_keys.PROBABILITY,
        labels=label_rules.SHARE,
        base_score=UNIT,
        reads=("scale_pos_weight",),
    ),
    Objective(
        "binary:logitraw",
        Kind.BINARY,
        Predicts.MARGINS,
        answer="the log-odds of class 1",
        link=links.IDENTITY,
        metric="logloss",
        keys=selection_keys.MARGIN,
        labels=label_rules.SHARE,
        reads=("scale_pos_weight",),
    ),
    Objective(
        "count:poisson",
        Kind.COUNT,
        Predicts.NUMBERS,
        answer="an expected count",
        link=links.EXPONENTIAL,
        metric="poisson-nloglik",
        labels=label_rules.NOT_NEGATIVE,
        base_score=NOT_NEGATIVE,
        defaults={"max_delta_step": "0.7"},
    ),
    Objective(
        "multi:softmax",
        Kind.MULTICLASS,
        Predicts.CLASSES,
        answer="the most probable class",
        link=links.SOFTMAX,
        metric="mlogloss",
        keys=selection_keys.LABEL,
        labels=label_rules.CLASS_NUMBER,
        required=("num_class",),
    ),
    Objective(
        "multi:softprob",
        Kind.MULTICLASS,
        Predicts.PROBABILITIES,
        answer="the probability of each class",
        link=links.SOFTPROB,
        metric="mlogloss",
        keys=selection_keys.PROBABILITIES,
        labels=label_rules.CLASS_NUMBER,
        required=("num_class",),
    ),
    Objective(
        "rank:map",
        Kind.RANKING,
        Predicts.NUMBERS,
        answer="a score to rank rows by",
        link=links.IDENTITY,
        metric="map@32",
        metric_number="lambdarank_num_pair_per_sample",
        labels=label_rules.zero_or_one("rank:map"),
        reads=LAMBDARANK,
    ),
    # If ndcg_exp_gain is true, XGBoost itself refuses labels above 31.
    Objective(
        "rank:ndcg",
        Kind.RANKING,
        Predicts.NUMBERS,
        answer="a score to rank rows by",
        link=links.IDENTITY,
        metric="ndcg@32",
        metric_number="lambdarank_num_pair_per_sample",
        labels=label_rules.NOT_NEGATIVE,
        reads=LAMBDARANK,
    ),
    Objective(
        "rank:pairwise",
        Kind.RANKING,
        Predicts.NUMBERS,
        answer="a score to rank rows by",
        link=links.IDENTITY,
        metric="ndcg@32",
        metric_number="lambdarank_num_pair_per_sample",
        labels=label_rules.NOT_NEGATIVE,
        reads=LAMBDARANK,
    ),
    Objective(
        "reg:absoluteerror",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="a number, fitted to the median",
        link=links.IDENTITY,
        metric="mae",
    ),
    Objective(
        "reg:gamma",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="an expected positive amount",
        link=links.EXPONENTIAL,
        metric="gamma-deviance",
        labels=label_rules.POSITIVE,
        base_score=POSITIVE,
    ),
    Objective(
        "reg:logistic",
        Kind.REGRESSION,
        Predicts.PROBABILITIES,
        answer="a share between 0 and 1",
        link=links.LOGISTIC,
        metric="rmse",
        labels=label_rules.SHARE,
        base_score=UNIT,
        reads=("scale_pos_weight",),
    ),
    Objective(
        "reg:pseudohubererror",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="a number, fitted with little weight on outliers",
        link=links.IDENTITY,
        metric="mphe",
        reads=("huber_slope",),
    ),
    Objective(
        "reg:quantileerror",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="the quantiles asked for in training",
        link=links.IDENTITY,
        metric="quantile",
        required=("quantile_alpha",),
    ),
    Objective(
        "reg:squarederror",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="a number, fitted to the mean",
        link=links.IDENTITY,
        metric="rmse",
    ),
    Objective(
        "reg:squaredlogerror",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="a number, fitted by its relative error",
        link=links.IDENTITY,
        metric="rmsle",
        labels=label_rules.ABOVE_MINUS_ONE,
        base_score=Interval(-1, low_open=True),
    ),
    Objective(
        "reg:tweedie",
        Kind.REGRESSION,
        Predicts.NUMBERS,
        answer="an expected amount, often zero",
        link=links.EXPONENTIAL,
        metric="tweedie-nloglik@1.5",
        metric_number="tweedie_variance_power",
        labels=label_rules.NOT_NEGATIVE,
        base_score=POSITIVE,
        reads=("tweedie_variance_power",),
    ),
    Objective(
        "survival:aft",
        Kind.SURVIVAL,
        Predicts.NUMBERS,
        answer="an expected time until the event",
        link=links.EXPONENTIAL,
        metric="aft-nloglik",
        base_score=POSITIVE,
        reads=("aft_loss_distribution", "aft_loss_distribution_scale"),
        censored=True,
    ),
    Objective(
        "survival:cox",
        Kind.SURVIVAL,
        Predicts.NUMBERS,
        answer="a hazard ratio",
        link=links.EXPONENTIAL,
        metric="cox-nloglik",
        base_score=POSITIVE,
    ),
)
OBJECTIVES = {row.name: row for row in TABLE}
DEFAULT = "reg:squarederror"  # XGBoost's default
# Names that AWS's container accepts and XGBoost 3 does not have. The second name is not an
# objective in any version of XGBoost: it is a hyperparameter.
REMOVED = {"reg:linear": "reg:squarederror", "aft_loss_distribution": "survival:aft"}


def names_of(holds: Callable[[Objective], bool]) -> tuple[str, ...]:
    """Return the names of the objectives for which a condition holds, in the order of the table.

    >>> names_of(lambda row: row.kind is Kind.MULTICLASS)
    ('multi:softmax', 'multi:softprob')
    """
    return tuple(row.name for row in TABLE if holds(row))


def names_reading(hyperparameter: str) -> tuple[str, ...]:
    """Return the names of the objectives that require or read a hyperparameter.

    >>> names_reading("huber_slope")
    ('reg:pseudohubererror',)
    """
    return names_of(lambda row: hyperparameter in (*row.required, *row.reads))


def meaning_of(objective: str, num_class: int) -> Meaning:
    """Describe the scores of a model to the server.

    If the objective of a loaded model is not in the table, its scores are treated as numbers.
    """
    row = OBJECTIVES.get(objective)
    scores = selection_keys.NUMBER if row is None else row.keys
    return Meaning(
        objective,
        num_class,
        keys={**scores, **selection_keys.EXPLANATIONS},
        answer="" if row is None else row.answer,
    )
