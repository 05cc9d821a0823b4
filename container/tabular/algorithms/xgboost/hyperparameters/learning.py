"""Hyperparameters of the objective and the metrics."""

from __future__ import annotations

from tabular.training.hyperparameters.kinds import (
    ANY,
    NOT_NEGATIVE,
    POSITIVE,
    UNIT,
    Hyperparameter,
    Interval,
)

OBJECTIVES = (
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
# AWS's container takes the second one for an objective; no version of XGBoost ever did.
REMOVED_OBJECTIVES = {"reg:linear": "reg:squarederror", "aft_loss_distribution": "survival:aft"}
RANKING = {"objective": "rank:ndcg"}
AFT = {"objective": "survival:aft"}

LEARNING = (
    Hyperparameter(
        "objective",
        "category",
        choices=(*OBJECTIVES, *REMOVED_OBJECTIVES),
        default="reg:squarederror",
        description="What to learn; "
        + ", ".join(f"{old} means {new}" for old, new in REMOVED_OBJECTIVES.items()),
    ),
    Hyperparameter(
        "num_class",
        "integer",
        Interval(2),
        default="none",
        used_with={"objective": "multi:softmax"},
        description="Number of classes; multi:softmax and multi:softprob need it, and only they "
        "take it",
    ),
    Hyperparameter(
        "base_score",
        "float",
        ANY,
        default="found from the labels",
        description="The prediction before the first tree; logistic objectives take it from "
        "[0, 1], those with a logarithm above 0",
    ),
    Hyperparameter(
        "eval_metric",
        "list",
        default="that of the objective",
        description="What to evaluate after each round, in this order: names, comma separated; "
        "early stopping watches the last",
    ),
    Hyperparameter(
        "disable_default_eval_metric",
        "switch",
        default="false",
        description="Evaluate nothing where eval_metric is not given",
    ),
    Hyperparameter(
        "tweedie_variance_power",
        "float",
        Interval(1, 2, low_open=True),
        default="1.5",
        used_with={"objective": "reg:tweedie"},
        description="Near 1 the labels spread as Poisson's do, near 2 as gamma's",
    ),
    Hyperparameter(
        "aft_loss_distribution",
        "category",
        choices=("normal", "logistic", "extreme"),
        default="normal",
        used_with=AFT,
        description="Distribution of the noise of survival times",
    ),
    Hyperparameter(
        "aft_loss_distribution_scale",
        "float",
        NOT_NEGATIVE,
        default="1",
        used_with=AFT,
        description="Scale of that distribution",
    ),
    Hyperparameter(
        "quantile_alpha",
        "numbers",
        UNIT,
        default="none",
        used_with={"objective": "reg:quantileerror"},
        description="The quantile to learn, or several, comma separated; needed by "
        "reg:quantileerror",
    ),
    Hyperparameter(
        "huber_slope",
        "float",
        POSITIVE,
        default="1",
        used_with={"objective": "reg:pseudohubererror"},
        description="From which error on the loss grows only linearly",
    ),
    Hyperparameter(
        "lambdarank_pair_method",
        "category",
        choices=("topk", "mean"),
        default="topk",
        used_with=RANKING,
        description="Which pairs of rows are compared: the best with the others, or random ones",
    ),
    Hyperparameter(
        "lambdarank_num_pair_per_sample",
        "integer",
        Interval(1),
        default="32 with topk, 1 with mean",
        used_with=RANKING,
        description="With mean: pairs for each row; with topk: how many of the best are compared",
    ),
    Hyperparameter(
        "lambdarank_normalization",
        "switch",
        default="true",
        used_with=RANKING,
        description="Whether gradients are normalized by the number of pairs",
    ),
    Hyperparameter(
        "lambdarank_score_normalization",
        "switch",
        default="true",
        used_with=RANKING,
        description="Whether the gain of a pair is divided by the difference of its scores",
    ),
    Hyperparameter(
        "lambdarank_unbiased",
        "switch",
        default="false",
        used_with=RANKING,
        description="Whether to correct for clicks that come from a row's place; rows must stand "
        "in the order they were shown",
    ),
    Hyperparameter(
        "lambdarank_bias_norm",
        "float",
        NOT_NEGATIVE,
        default="1",
        used_with={**RANKING, "lambdarank_unbiased": "true"},
        description="Regularization of that correction",
    ),
    Hyperparameter(
        "ndcg_exp_gain",
        "switch",
        default="true",
        used_with=RANKING,
        description="Whether the gain of label n is 2^n - 1, and not n; labels are at most 31 then",
    ),
)
