"""Hyperparameters of the objective and the metrics."""

from __future__ import annotations

from tabular.algorithms.xgboost.hyperparameters.by_objective import used_with
from tabular.algorithms.xgboost.objectives import DEFAULT, OBJECTIVES, REMOVED, names_reading
from tabular.contract.interval import ANY, NOT_NEGATIVE, POSITIVE, UNIT, Interval
from tabular.training.hyperparameters.kinds import Hyperparameter

LEARNING = (
    Hyperparameter(
        "objective",
        "category",
        choices=(*OBJECTIVES, *REMOVED),
        default=DEFAULT,
        description="The learning objective; "
        + ", ".join(f"{old} means {new}" for old, new in REMOVED.items()),
    ),
    Hyperparameter(
        "num_class",
        "integer",
        Interval(2),
        default="none",
        used_with=used_with("num_class"),
        description=f"Number of classes; {' and '.join(names_reading('num_class'))} need it, and "
        "no other objective accepts it",
    ),
    Hyperparameter(
        "base_score",
        "float",
        ANY,
        default="estimated from the labels",
        description="The prediction before the first tree; the objective decides the range",
    ),
    Hyperparameter(
        "eval_metric",
        "list",
        default="that of the objective",
        description="Metrics to evaluate after each round, in this order: names, comma separated; "
        "early stopping watches the last one",
    ),
    Hyperparameter(
        "disable_default_eval_metric",
        "switch",
        default="false",
        description="Evaluate no metric if eval_metric is not given",
    ),
    Hyperparameter(
        "tweedie_variance_power",
        "float",
        Interval(1, 2, low_open=True),
        default="1.5",
        used_with=used_with("tweedie_variance_power"),
        description="The variance of the labels: near 1 as in a Poisson distribution, near 2 as in "
        "a gamma distribution",
    ),
    Hyperparameter(
        "aft_loss_distribution",
        "category",
        choices=("normal", "logistic", "extreme"),
        default="normal",
        used_with=used_with("aft_loss_distribution"),
        description="Distribution of the noise of survival times",
    ),
    Hyperparameter(
        "aft_loss_distribution_scale",
        "float",
        NOT_NEGATIVE,
        default="1",
        used_with=used_with("aft_loss_distribution_scale"),
        description="Scale of the distribution of the noise",
    ),
    Hyperparameter(
        "quantile_alpha",
        "numbers",
        UNIT,
        default="none",
        used_with=used_with("quantile_alpha"),
        description="The quantile to learn, or several, comma separated; needed by "
        + " and ".join(names_reading("quantile_alpha")),
    ),
    Hyperparameter(
        "huber_slope",
        "float",
        POSITIVE,
        default="1",
        used_with=used_with("huber_slope"),
        description="The error above which the loss grows linearly",
    ),
    Hyperparameter(
        "lambdarank_pair_method",
        "category",
        choices=("topk", "mean"),
        default="topk",
        used_with=used_with("lambdarank_pair_method"),
        description="Which pairs of rows are compared: topk, the best rows with the others; mean, "
        "random pairs",
    ),
    Hyperparameter(
        "lambdarank_num_pair_per_sample",
        "integer",
        Interval(1),
        default="32 with topk, 1 with mean",
        used_with=used_with("lambdarank_num_pair_per_sample"),
        description="With mean: pairs for each row; with topk: how many of the best rows are "
        "compared",
    ),
    Hyperparameter(
        "lambdarank_normalization",
        "switch",
        default="true",
        used_with=used_with("lambdarank_normalization"),
        description="Whether gradients are normalized by the number of pairs",
    ),
    Hyperparameter(
        "lambdarank_score_normalization",
        "switch",
        default="true",
        used_with=used_with("lambdarank_score_normalization"),
        description="Whether the gain of a pair is divided by the difference of its scores",
    ),
    Hyperparameter(
        "lambdarank_unbiased",
        "switch",
        default="false",
        used_with=used_with("lambdarank_unbiased"),
        description="Whether to correct for position bias: clicks that come from the place of a "
        "row; the rows of a group must be in the order in which they were shown",
    ),
    Hyperparameter(
        "lambdarank_bias_norm",
        "float",
        NOT_NEGATIVE,
        default="1",
        used_with={**used_with("lambdarank_bias_norm"), "lambdarank_unbiased": "true"},
        description="Regularization of the correction for position bias",
    ),
    Hyperparameter(
        "ndcg_exp_gain",
        "switch",
        default="true",
        used_with=used_with("ndcg_exp_gain"),
        description="Whether the gain of label n is 2^n - 1 instead of n; if true, labels are at "
        "most 31",
    ),
)
