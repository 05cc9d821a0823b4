from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from xgboost.callback import EvaluationMonitor

from tabular.algorithms.xgboost.training.evaluator import ordered, parse_evaluation
from tabular.training.metric_lines import MetricsFile, metric_line

# What AWS's container exports as its metric definition, with the tab that CloudWatch escapes.
AWS_REGEX = r".*\[[0-9]+\].*\tvalidation-rmse:(\S+)"
NAMES = st.sampled_from(["rmse", "error@0.7", "aft-nloglik", "ndcg@5-"])


@pytest.fixture(scope="module")
def matrix() -> xgboost.DMatrix:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(60, 3)).astype(np.float32)
    return xgboost.DMatrix(features, (features[:, 0] > 0).astype(np.float32), nthread=1)


def evaluate(matrix: xgboost.DMatrix, **params: object) -> str:
    booster = xgboost.Booster({"objective": "binary:logistic", "nthread": 1, **params}, [matrix])
    booster.update(matrix, 0)
    return str(booster.eval_set([(matrix, "train"), (matrix, "validation")], 0))


def test_line_has_the_form_of_awss_container() -> None:
    values = {"train-rmse": 2.703714, "validation-rmse": 2.896449}
    assert metric_line(0, values) == "[0]\ttrain-rmse:2.70371\tvalidation-rmse:2.89645"


def test_line_of_several_hosts_begins_with_the_time() -> None:
    line = metric_line(0, {"train-rmse": 0.2128}, "00:23:27")
    assert line == "[00:23:27] [0]\ttrain-rmse:0.21280"


def test_awss_regular_expression_finds_the_value() -> None:
    line = metric_line(7, {"train-rmse": 1.0, "validation-rmse": 2.5, "validation-mae": 3.0})
    found = re.match(AWS_REGEX, line)
    assert found is not None
    assert found[1] == "2.50000"


def test_line_is_that_of_xgboosts_own_callback(
    matrix: xgboost.DMatrix, capsys: pytest.CaptureFixture[str]
) -> None:
    text = evaluate(matrix, eval_metric=["auc", "error@0.7"])
    values = parse_evaluation(text)
    log = {data: {name: [value] for name, value in found.items()} for data, found in values.items()}
    EvaluationMonitor(logger=print).after_iteration(None, 3, log)
    assert capsys.readouterr().out.strip() == metric_line(3, ordered(values))


def test_metrics_that_are_no_numbers_are_shown() -> None:
    values = parse_evaluation("[0]\ttrain-mape:inf\ttrain-auc:-nan")
    assert metric_line(0, ordered(values)) == "[0]\ttrain-mape:inf\ttrain-auc:nan"


def test_all_metrics_of_train_come_before_those_of_validation() -> None:
    values = {"train": {"mae": 1.0, "f1": 2.0}, "validation": {"mae": 3.0, "f1": 4.0}}
    names = ["train-f1", "train-mae", "validation-f1", "validation-mae"]
    assert list(ordered(values, ["f1", "mae"])) == names


def test_metrics_come_in_the_order_that_was_asked_for() -> None:
    values = {"train": {"error@0.7": 0.1, "auc": 0.2, "f1": 0.3}}
    assert ordered(values, ["f1", "auc", "error@.70"]) == {
        "train-f1": 0.3,
        "train-auc": 0.2,
        "train-error@0.7": 0.1,
    }


def test_default_of_the_objective_comes_first_when_all_that_is_asked_is_ours(
    matrix: xgboost.DMatrix,
) -> None:
    values = parse_evaluation(evaluate(matrix))
    for found in values.values():
        found |= {"accuracy": 1.0, "f1": 1.0}
    assert list(ordered({"train": values["train"]}, ["f1", "accuracy"])) == [
        "train-logloss",
        "train-f1",
        "train-accuracy",
    ]


def test_missing_metric_is_an_error() -> None:
    with pytest.raises(KeyError):
        ordered({"train": {"auc": 1.0}}, ["f1"])


def test_evaluation_of_xgboost_is_read(matrix: xgboost.DMatrix) -> None:
    found = parse_evaluation(evaluate(matrix, eval_metric=["logloss", "ndcg@5-"]))
    assert {data: list(metrics) for data, metrics in found.items()} == {
        "train": ["logloss", "ndcg@5-"],
        "validation": ["logloss", "ndcg@5-"],
    }
    assert found["train"] == found["validation"]


def test_evaluation_without_data_is_empty() -> None:
    assert parse_evaluation("[0]") == {}


@given(st.dictionaries(NAMES, st.floats(0.1, 1e6), min_size=1))
def test_values_of_an_evaluation_come_whole(metrics: dict[str, float]) -> None:
    text = "[3]" + "".join(f"\tvalidation-{name}:{value:.17f}" for name, value in metrics.items())
    assert parse_evaluation(text) == {"validation": metrics}


def test_metrics_file_holds_a_line_for_each_metric_of_each_round(tmp_path: Path) -> None:
    writer = MetricsFile(tmp_path)
    writer.append(0, {"train-rmse": 2.5, "validation-aft-nloglik": 3.5}, 1_700_000_000.5)
    writer.append(1, {"train-rmse": 2.25}, 1_700_000_001.0)
    lines = (tmp_path / f"{os.getpid()}.json").read_text().splitlines()
    keys = ("MetricName", "Value", "Timestamp", "IterationNumber")
    assert [json.loads(line) for line in lines] == [
        dict(zip(keys, ("train:rmse", 2.5, 1_700_000_000.5, 0), strict=True)),
        dict(zip(keys, ("validation:aft-nloglik", 3.5, 1_700_000_000.5, 0), strict=True)),
        dict(zip(keys, ("train:rmse", 2.25, 1_700_000_001.0, 1), strict=True)),
    ]


def test_metrics_file_leaves_out_what_is_no_number(tmp_path: Path) -> None:
    values = {"train-auc": float("nan"), "train-mape": float("inf"), "train-rmse": 1.0}
    MetricsFile(tmp_path).append(0, values, 1.0)
    (line,) = (tmp_path / f"{os.getpid()}.json").read_text().splitlines()
    assert json.loads(line)["MetricName"] == "train:rmse"


def test_metrics_file_is_not_written_without_the_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    MetricsFile(tmp_path / "metrics").append(0, {"train-rmse": 1.0}, 1.0)
    assert not list(tmp_path.iterdir())
    assert not caplog.records


def test_metrics_file_that_can_not_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{os.getpid()}.json").mkdir()
    writer = MetricsFile(tmp_path)
    for number in range(3):
        writer.append(number, {"train-rmse": 1.0}, 1.0)
    assert len(caplog.records) == 1
    assert "can't be written" in caplog.text
