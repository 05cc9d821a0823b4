"""Metric definitions: what SageMaker reads from the image's log lines."""

from __future__ import annotations

import re

import pytest

from sagemaker_tabular.metrics import metric_definitions

LINE = "[0]\ttrain-rmse:2.70371\ttrain-mae:1.5\tvalidation-rmse:2.9e-05\tvalidation-mae:-1.7"


def values(line: str, **hyperparameters: str) -> dict[str, str]:
    definitions = metric_definitions(hyperparameters, ["train", "validation"])
    found = {each["Name"]: re.search(each["Regex"], line) for each in definitions}
    return {name: match[1] for name, match in found.items() if match}


def test_metrics_are_read_from_the_image_s_log_line() -> None:
    assert values(LINE, eval_metric="rmse, mae") == {
        "train:rmse": "2.70371",
        "train:mae": "1.5",
        "validation:rmse": "2.9e-05",
        "validation:mae": "-1.7",
    }


def test_metrics_are_read_where_cloudwatch_shows_tabs_as_011() -> None:
    assert values(LINE.replace("\t", "#011"), eval_metric="rmse")["train:rmse"] == "2.70371"


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("reg:squarederror", "rmse"),
        ("binary:logistic", "logloss"),
        ("multi:softprob", "mlogloss"),
        ("reg:tweedie", "tweedie-nloglik@1.5"),
    ],
)
def test_objective_s_own_metric_is_read_by_default(objective: str, metric: str) -> None:
    assert [each["Name"] for each in metric_definitions({"objective": objective}, ["train"])] == [
        f"train:{metric}"
    ]


def test_rmse_is_read_when_nothing_is_said() -> None:
    assert metric_definitions({}, ["train"])[0]["Name"] == "train:rmse"


def test_threshold_of_a_metric_is_taken_literally() -> None:
    assert values("[0]\ttrain-error@0.7:0.25", eval_metric="error@0.7") == {
        "train:error@0.7": "0.25"
    }


def test_channels_that_are_not_measured_have_no_metrics() -> None:
    assert metric_definitions({}, ["test"]) == []


def test_unknown_objective_has_no_metrics() -> None:
    assert metric_definitions({"objective": "custom"}, ["train"]) == []
