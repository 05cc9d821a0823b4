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


CLASSIFIER = "sklearn.ensemble.RandomForestClassifier"


def names(channels: list[str], given: dict[str, str]) -> list[str]:
    return [each["Name"] for each in metric_definitions(given, channels)]


@pytest.mark.parametrize(
    ("algorithm", "line"),
    [
        (
            CLASSIFIER,
            "[0]\ttrain-accuracy:0.99\ttrain-f1:0.98\ttrain-f1_binary:0.97\ttrain-logloss:0.1",
        ),
        ("sklearn.linear_model.Ridge", "[0]\ttrain-rmse:2.5\ttrain-mse:6.25\ttrain-r2:-0.5"),
        ("sklearn.cluster.KMeans", "[0]\ttrain-clusters:3.00000\ttrain-silhouette:0.4"),
        ("sklearn.svm.OneClassSVM", "[0]\ttrain-outlier_fraction:0.1"),
    ],
)
def test_metrics_of_an_estimator_are_read(algorithm: str, line: str) -> None:
    items = [item.split(":") for item in line.split("\t")[1:]]
    expected = {name.replace("-", ":", 1): value for name, value in items}
    assert values(line, algorithm=algorithm) == expected


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("sklearn.linear_model.Ridge", ["rmse", "mse", "mae", "r2"]),
        ("sklearn.cluster.KMeans", ["clusters", "silhouette"]),
        ("sklearn.preprocessing.StandardScaler", []),
        ("sklearn.ensemble.NoSuchEstimator", []),
    ],
)
def test_estimator_has_the_metrics_of_its_kind_only(algorithm: str, expected: list[str]) -> None:
    found = names(["train"], {"algorithm": algorithm})
    assert found == [f"train:{metric}" for metric in expected]


def test_definitions_of_an_estimator_are_no_more_than_sagemaker_takes() -> None:
    found = names(["train", "validation"], {"algorithm": CLASSIFIER})
    assert len(found) == len(set(found)) <= 40


def test_search_has_the_metrics_of_the_estimator_inside() -> None:
    search = "sklearn.model_selection.GridSearchCV"
    found = names(["train"], {"algorithm": search, "estimator": "sklearn.linear_model.Ridge"})
    assert found[0] == "train:rmse"


@pytest.mark.parametrize("algorithm", ["xgboost", "XGBoost"])
def test_xgboost_by_name_has_the_metric_of_its_objective(algorithm: str) -> None:
    found = names(["train"], {"algorithm": algorithm, "objective": "reg:gamma"})
    assert found == ["train:gamma-deviance"]


@pytest.mark.parametrize(
    "given",
    [
        {"_kfold": "5"},
        {"algorithm": CLASSIFIER, "cross_validation": "5"},
        {"algorithm": CLASSIFIER, "validation_fraction": "0.2"},
    ],
)
def test_rows_that_the_job_holds_out_have_metrics(given: dict[str, str]) -> None:
    channels = {name.partition(":")[0] for name in names(["train"], given)}
    assert channels == {"train", "validation"}


@pytest.mark.parametrize(
    ("given", "metric"),
    [
        ({"objective": "reg:tweedie", "tweedie_variance_power": "1.3"}, "tweedie-nloglik@1.3"),
        ({"objective": "rank:map", "lambdarank_num_pair_per_sample": "8"}, "map@8"),
        ({"objective": "rank:ndcg"}, "ndcg@32"),
        ({"objective": "reg:linear"}, "rmse"),
    ],
)
def test_number_of_the_default_metric_is_the_hyperparameter(
    given: dict[str, str], metric: str
) -> None:
    assert names(["train"], given) == [f"train:{metric}"]
