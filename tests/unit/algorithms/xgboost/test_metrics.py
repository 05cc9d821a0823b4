from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular.algorithms.xgboost.metrics import (
    METRICS,
    computed_by_xgboost,
    computed_here,
    is_maximized,
    metric_error,
    name_of,
    normal_form,
)
from tabular.algorithms.xgboost.training import scores
from tabular.algorithms.xgboost.training.evaluator import parse_evaluation

# Objectives for metrics that require a kind of objective.
OBJECTIVE = {
    **dict.fromkeys(("merror", "mlogloss"), "multi:softprob"),
    **dict.fromkeys(("aft-nloglik", "interval-regression-accuracy"), "survival:aft"),
    "quantile": "reg:quantileerror",
}
# AWS's lists; in AWS's container, interval-regression-accuracy is in the second list.
MAXIMIZED = [
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "precision_macro",
    "precision_micro",
    "recall_macro",
    "recall_micro",
    "interval-regression-accuracy",
]
MINIMIZED = [
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
]
OURS = [*scores.CLASS_METRICS, *scores.ERROR_METRICS]


def evaluate(metric: str, objective: str = "binary:logistic") -> dict[str, float]:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(40, 3)).astype(np.float32)
    label = (features[:, 0] > 0).astype(np.float32)
    matrix = xgboost.DMatrix(features, label, nthread=1)
    params: dict[str, object] = {"objective": objective, "eval_metric": metric, "nthread": 1}
    if objective.startswith("multi:"):
        params["num_class"] = 2
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", label + 1)
        matrix.set_float_info("label_upper_bound", label + 2)
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.5
    booster = xgboost.Booster(params, [matrix])
    booster.update(matrix, 0)
    return parse_evaluation(booster.eval_set([(matrix, "train")]))["train"]


def of_row(metric: str) -> str:
    return f"{metric}@1.5" if metric == "tweedie-nloglik" else metric


@pytest.mark.parametrize("metric", computed_by_xgboost(METRICS))
def test_metric_of_xgboost_is_computed_under_its_name(metric: str) -> None:
    objective = OBJECTIVE.get(metric, "binary:logistic")
    assert metric_error(of_row(metric), objective) is None
    assert list(evaluate(of_row(metric), objective)) == [of_row(metric)]


def test_scores_has_the_metrics_that_xgboost_does_not_have() -> None:
    assert sorted(computed_here(METRICS)) == sorted(OURS)


@pytest.mark.parametrize("metric", OURS)
def test_metric_of_ours_is_unknown_to_xgboost(metric: str) -> None:
    with pytest.raises(xgboost.core.XGBoostError, match="Unknown metric function"):
        evaluate(metric)


def test_every_metric_of_awss_container_is_supported() -> None:
    assert {*MAXIMIZED, *MINIMIZED} <= {*METRICS}


@pytest.mark.parametrize("metric", [*MAXIMIZED, "ndcg@5", "map@3", "ndcg-", "map@5-", "pre@2"])
def test_metric_is_maximized(metric: str) -> None:
    assert is_maximized(metric)


@pytest.mark.parametrize("metric", [*MINIMIZED, "error@0.7", "quantile", "tweedie-nloglik@1.5"])
def test_metric_is_minimized(metric: str) -> None:
    assert not is_maximized(metric)


def test_unknown_metric_is_not_maximized() -> None:
    assert not is_maximized("unheard-of")


def test_metrics_are_split_in_their_order() -> None:
    asked = ["f1", "ndcg@5-", "mse", "auc"]
    assert (computed_by_xgboost(asked), computed_here(asked)) == (["ndcg@5-", "auc"], ["f1", "mse"])


@pytest.mark.parametrize(
    ("metric", "name"),
    [("ndcg@5", "ndcg"), ("ndcg@5-", "ndcg"), ("map-", "map"), ("auc", "auc"), (" auc ", "auc")],
)
def test_name_has_no_number_and_no_minus(metric: str, name: str) -> None:
    assert name_of(metric) == name


@pytest.mark.parametrize(
    ("metric", "form"),
    [
        ("error@.70", "error@0.7"),
        ("error@ 0.7", "error@0.7"),
        ("error@0.5", "error"),
        ("error@0.50000001", "error"),
        ("error@1e-5", "error@1e-05"),
        ("error@0.123456789", "error@0.123457"),
        ("tweedie-nloglik@1.50", "tweedie-nloglik@1.5"),
        ("ndcg@05", "ndcg@5"),
        ("map@5.0-", "map@5-"),
        ("pre@1e2", "pre@100"),
        ("ndcg-", "ndcg-"),
        ("aft-nloglik", "aft-nloglik"),
        (" auc", "auc"),
    ],
)
def test_normal_form_is_that_of_xgboosts_log(metric: str, form: str) -> None:
    assert normal_form(metric) == form
    objective = OBJECTIVE.get(name_of(form), "binary:logistic")
    assert list(evaluate(form, objective)) == [form]


@settings(max_examples=60, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_normal_form_of_any_threshold_is_that_of_xgboosts_log(threshold: float) -> None:
    assert [*evaluate(normal_form(f"error@{threshold!r}"))] == [normal_form(f"error@{threshold!r}")]


@given(st.text(max_size=20) | st.sampled_from(METRICS).map(lambda name: f"{name}@1.25"))
def test_normal_form_is_idempotent(metric: str) -> None:
    assert normal_form(normal_form(metric)) == normal_form(metric)


@pytest.mark.parametrize("metric", ["error@x", "ndcg@2.5", "ndcg-@5", "rmse@1", "nonsense@3"])
def test_metric_that_can_not_be_parsed_stays_unchanged(metric: str) -> None:
    assert normal_form(metric) == metric


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("rmse@1", "Metric 'rmse@1' is not supported. Parameter 'eval_metric' with customized"),
        ("merror@0.5", "options: 'error', 'ndcg', 'map', 'pre', 'tweedie-nloglik'."),
        ("ndcg-@5", "Metric 'ndcg-@5' is not supported."),
        ("error@x", "Threshold value 'x' in 'error@x' expects float input."),
        ("error@", "Threshold value '' in 'error@' expects float input."),
        ("error@nan", "expects float input"),
        ("error@1e60", "expects float input"),
        ("error@5-", "expects float input"),
        ("map@-", "expects float input"),
        ("ndcg@2.5", "expects a whole number from 1, as in ndcg@5"),
        ("ndcg@0", "expects a whole number from 1, as in ndcg@5"),
        ("map@1e20-", "expects a whole number from 1, as in map@5"),
        ("tweedie-nloglik", "needs the variance power after an @: tweedie-nloglik@1.5"),
        ("tweedie-nloglik@2", "expects a number between 1 and 2, as in tweedie-nloglik@1.5"),
        ("rmsee", "Hyperparameter eval_metric: value ['rmsee'] not in range ["),
        ("auc-", "not in range"),
        ("", "not in range"),
        ("<function f at 0x7f>", "User defined evaluation metric <function f at 0x7f> is not supp"),
        ("mlogloss", "needs objective multi:softmax or multi:softprob, the objective is binary:l"),
        ("aft-nloglik", "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective."),
        ("interval-regression-accuracy", "can only be applied for 'survival:aft' objective."),
        ("quantile", "needs objective reg:quantileerror, with quantile_alpha"),
    ],
)
def test_metric_is_refused(metric: str, words: str) -> None:
    assert words in (metric_error(metric, "binary:logistic") or "")


@pytest.mark.parametrize("objective", ["reg:squarederror", "count:poisson", "survival:cox"])
def test_auc_of_other_objectives_is_refused_with_awss_words(objective: str) -> None:
    words = "Metric 'auc' can only be applied for classification and ranking problems."
    assert (metric_error("auc", objective) or "").startswith(words)


@pytest.mark.parametrize("objective", ["binary:hinge", "multi:softmax", "rank:map", "reg:logistic"])
def test_auc_is_accepted_for_classification_and_ranking(objective: str) -> None:
    assert metric_error("auc", objective) is None


@pytest.mark.parametrize(
    ("metric", "instead"),
    [
        ("precision", "precision_macro or precision_micro"),
        ("recall", "recall_macro or recall_micro"),
        ("f1_binary", "f1_macro"),
    ],
)
def test_metric_of_two_classes_is_refused_with_several(metric: str, instead: str) -> None:
    message = metric_error(metric, "multi:softprob") or ""
    assert message.startswith("Target is multiclass but average='binary'")
    assert message.endswith(f"use {instead}")


@pytest.mark.parametrize("metric", scores.CLASS_METRICS)
def test_metric_of_classes_is_refused_without_classes(metric: str) -> None:
    message = metric_error(metric, "reg:squarederror") or ""
    assert f"Metric '{metric}' compares classes, and reg:squarederror predicts none" in message


@pytest.mark.parametrize("metric", ["rmse", "mae", "logloss", "error@0.7", "mse", "r2", "ndcg@5"])
def test_metric_of_one_number_is_refused_with_several_classes(metric: str) -> None:
    message = metric_error(metric, "multi:softmax") or ""
    assert f"Metric '{metric}' needs one number for each row" in message
    assert "use mlogloss" in message


@pytest.mark.parametrize(
    ("metric", "objective"),
    [
        *((metric, "binary:logistic") for metric in scores.CLASS_METRICS),
        *((metric, "reg:squarederror") for metric in ("mse", "r2", "rmse", "aucpr", "mape")),
        ("accuracy", "reg:logistic"),
        ("f1_macro", "multi:softmax"),
        ("aft-nloglik", "survival:aft"),
        ("cox-nloglik", "survival:cox"),
        ("quantile", "reg:quantileerror"),
        ("ndcg@5-", "rank:ndcg"),
        ("pre@10", "rank:pairwise"),
        ("map-", "rank:map"),
        ("tweedie-nloglik@1.5", "reg:tweedie"),
    ],
)
def test_metric_is_accepted(metric: str, objective: str) -> None:
    assert metric_error(metric, objective) is None


@given(st.text(max_size=3000), st.sampled_from(["reg:squarederror", "multi:softmax"]))
def test_message_fits_into_the_reason_that_is_shown(metric: str, objective: str) -> None:
    assert len(metric_error(metric, objective) or "") < 1024
