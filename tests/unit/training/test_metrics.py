from __future__ import annotations

import io
import re

import numpy as np
import pytest
import xgboost

from tabular.training.metrics import METRICS, MetricLines, is_maximized, metric_error, name_of

# What AWS's container exports as its metric definition, with the tab that CloudWatch escapes.
AWS_REGEX = r".*\[[0-9]+\].*\tvalidation-rmse:(\S+)"
# What each metric needs of the objective or the labels, where it needs something.
OBJECTIVE = {
    **dict.fromkeys(("merror", "mlogloss"), "multi:softprob"),
    **dict.fromkeys(("auc", "aucpr", "error", "logloss"), "binary:logistic"),
    **dict.fromkeys(("map", "ndcg"), "binary:logistic"),
    **dict.fromkeys(("gamma-deviance", "gamma-nloglik"), "reg:gamma"),
    "poisson-nloglik": "count:poisson",
    "tweedie-nloglik": "reg:tweedie",
}


def train(params: dict[str, object], rounds: int = 3) -> str:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(60, 3)).astype(np.float32)
    label = (features[:, 0] > 0).astype(np.float32) + (params["objective"] == "reg:gamma")
    matrix = xgboost.DMatrix(features, label, nthread=1)
    stream = io.StringIO()
    evals = [(matrix, "train"), (matrix, "validation")]
    xgboost.train(
        params, matrix, rounds, evals=evals, verbose_eval=False, callbacks=[MetricLines(stream)]
    )
    return stream.getvalue()


def test_line_has_the_form_of_awss_container() -> None:
    output = train({"objective": "reg:squarederror", "eval_metric": ["rmse", "mae"]}, rounds=1)
    pattern = r"\[0\]\ttrain-rmse:N\ttrain-mae:N\tvalidation-rmse:N\tvalidation-mae:N\n"
    assert re.fullmatch(pattern.replace("N", r"\d\.\d{5}"), output)


def test_every_round_has_a_line() -> None:
    lines = train({"objective": "reg:squarederror"}).splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["[0]", "[1]", "[2]"]


def test_awss_regular_expression_finds_the_value() -> None:
    assert re.match(AWS_REGEX, train({"objective": "reg:squarederror"}))


def test_values_of_every_round_are_kept() -> None:
    lines = MetricLines(io.StringIO())
    lines.after_iteration(xgboost.Booster(), 0, {"train": {"rmse": [2.0]}})
    lines.after_iteration(xgboost.Booster(), 1, {"train": {"rmse": [2.0, 1.0]}})
    assert lines.rounds == [{"train-rmse": 2.0}, {"train-rmse": 1.0}]


def test_line_shows_the_mean_of_cross_validation() -> None:
    stream = io.StringIO()
    log = {"train": {"rmse": [(1.5, 0.1)]}}
    MetricLines(stream).after_iteration(xgboost.Booster(), 7, log)
    assert stream.getvalue() == "[7]\ttrain-rmse:1.50000\n"


def test_line_never_stops_the_training() -> None:
    assert not MetricLines(io.StringIO()).after_iteration(xgboost.Booster(), 0, {})


@pytest.mark.parametrize("metric", METRICS)
def test_metric_that_is_accepted_is_computed_by_xgboost(metric: str) -> None:
    objective = OBJECTIVE.get(metric, "reg:squarederror")
    assert metric_error(metric, objective) is None
    params: dict[str, object] = {"objective": objective, "eval_metric": metric}
    if objective.startswith("multi:"):
        params["num_class"] = 2
    assert f"train-{metric}" in train(params)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("rmse@1", "Metric 'rmse@1' is not supported. Parameter 'eval_metric' with customized"),
        ("error@x", "Threshold value 'x' in 'error@x' expects float input."),
        ("error@", "Threshold value '' in 'error@' expects float input."),
        ("pre", "Hyperparameter eval_metric: value ['pre'] not in range ["),
        ("mlogloss", "needs objective multi:softmax or multi:softprob"),
        ("<function f>", "not in range"),
        ("", "not in range"),
    ],
)
def test_metric_is_refused(metric: str, words: str) -> None:
    assert words in (metric_error(metric, "binary:logistic") or "")


@pytest.mark.parametrize("metric", ["error@0.7", "ndcg@5", "map@10", "auc", "rmse"])
def test_metric_is_accepted(metric: str) -> None:
    assert metric_error(metric, "binary:logistic") is None


@pytest.mark.parametrize("metric", ["auc", "aucpr", "map", "ndcg", "ndcg@5", "map@3"])
def test_more_is_better(metric: str) -> None:
    assert is_maximized(metric)


@pytest.mark.parametrize("metric", ["rmse", "error@0.7", "logloss", "mape"])
def test_less_is_better(metric: str) -> None:
    assert not is_maximized(metric)


def test_name_is_without_the_threshold() -> None:
    assert name_of("ndcg@5") == "ndcg"
