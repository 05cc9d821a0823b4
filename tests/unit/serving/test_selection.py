"""Selectable inference on real models, compared with AWS's definitions for each row."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.algorithms.xgboost.objectives import meaning_of
from tabular.serving import selection
from tabular.serving.answers.profiles import XGBOOST
from tabular.serving.answers.types import ANSWER_TYPES
from tabular.serving.selection import keys_of, select

draw = np.random.default_rng(3)
ROWS = draw.normal(size=(60, 4)).astype(np.float32)
NUMBER = np.abs(ROWS[:, 0]) + 0.1
YES = (ROWS[:, 0] > 0).astype(np.float32)
CLASS = (ROWS[:, 0] > 0).astype(np.float32) + (ROWS[:, 1] > 0)
ALL = (
    "predicted_label",
    "labels",
    "probability",
    "probabilities",
    "raw_score",
    "raw_scores",
    "predicted_score",
)
REGRESSIONS = (
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:absoluteerror",
    "reg:tweedie",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "count:poisson",
    "survival:cox",
    "survival:aft",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
)
CLASSIFICATIONS = {
    "binary:logistic": ALL[:6],
    "binary:logitraw": ("predicted_label", "labels", "raw_score", "raw_scores"),
    "binary:hinge": ("predicted_label", "labels", "raw_score", "raw_scores"),
    "multi:softmax": ("predicted_label", "labels", "raw_score", "raw_scores"),
    "multi:softprob": ALL[:6],
}


class Model(Predictor):
    """A predictor of a booster or an estimator, which records the calls of its methods."""

    def __init__(self, meaning: Meaning, model: Any) -> None:
        self.meaning = meaning
        self.model = model
        self.asked: list[str] = []

    def predict(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append("predict")
        boosted = isinstance(self.model, xgboost.Booster)
        return self.model.predict(xgboost.DMatrix(rows) if boosted else rows)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append("probabilities")
        return self.model.predict_proba(rows)

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append("contributions")
        return self.model.predict(xgboost.DMatrix(rows), pred_contribs=True)

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append("leaves")
        return self.model.predict(xgboost.DMatrix(rows), pred_leaf=True)


def booster(objective: str) -> Model:
    params: dict[str, object] = {"objective": objective, "nthread": 1, "max_depth": 2}
    classes = 3 if objective.startswith("multi:") else 0
    if classes:
        params["num_class"] = classes
    binary = objective.startswith(("binary:", "rank:", "reg:logistic"))
    matrix = xgboost.DMatrix(ROWS, CLASS if classes else YES if binary else NUMBER)
    if objective.startswith("rank:"):
        matrix.set_group([20, 20, 20])
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", NUMBER)
        matrix.set_float_info("label_upper_bound", NUMBER)
    return Model(meaning_of(objective, classes), xgboost.train(params, matrix, 3))


def awss(objective: str, key: str, score: np.ndarray) -> Any:
    """Return AWS's value of one key, for one row of ``Booster.predict``."""
    several = objective == "multi:softprob"
    one = score.max().item() if several else score.item()
    labels = {
        "binary:logistic": lambda: int(one > 0.5),
        "binary:logitraw": lambda: int(one > 0),
        "multi:softprob": lambda: int(score.argmax()),
    }
    both = score.tolist() if several else [1.0 - one, one]
    return {
        "predicted_label": labels.get(objective, lambda: one)(),
        "labels": [0, 1, 2] if objective.startswith("multi:") else [0, 1],
        "probability": one,
        "probabilities": both,
        "raw_score": one,
        "raw_scores": both,
        "predicted_score": one,
    }[key]


def lines(keys: tuple[str, ...], model: Predictor) -> list[dict[str, Any]]:
    body = ANSWER_TYPES["application/jsonlines"].write(select(keys, model, ROWS), XGBOOST)
    return [json.loads(line) for line in body.splitlines()]


@pytest.mark.parametrize(
    ("objective", "has"),
    [*CLASSIFICATIONS.items(), *((name, ("predicted_score",)) for name in REGRESSIONS)],
)
def test_every_key_has_awss_value_and_keys_of_other_models_are_nan(
    objective: str, has: tuple[str, ...]
) -> None:
    model = booster(objective)
    scores = model.predict(ROWS)
    expected = [
        {key: awss(objective, key, score) if key in has else None for key in ALL}
        for score in scores
    ]
    assert lines(ALL, model) == expected


@pytest.mark.parametrize("objective", [*CLASSIFICATIONS, "reg:squarederror"])
def test_csv_equals_that_of_awss_loop_over_the_rows(objective: str) -> None:
    model = booster(objective)
    keys = CLASSIFICATIONS.get(objective, ("predicted_score",))[::-1]
    values = [[awss(objective, key, score) for key in keys] for score in model.predict(ROWS)]
    cells = [[f'"{value}"' if isinstance(value, list) else str(value) for value in row]
             for row in values]  # fmt: skip
    expected = "\n".join(",".join(row) for row in cells)
    assert ANSWER_TYPES["text/csv"].write(select(keys, model, ROWS), XGBOOST) == expected.encode()


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "reg:squarederror"])
def test_contributions_add_up_to_the_margin(objective: str) -> None:
    model = booster(objective)
    answers = lines(("contributions",), model)
    shape = (60, 3, 5) if objective.startswith("multi:") else (60, 5)
    contributions = np.array([answer["contributions"] for answer in answers])
    assert contributions.shape == shape
    margin = model.model.predict(xgboost.DMatrix(ROWS), output_margin=True)
    np.testing.assert_allclose(contributions.sum(axis=-1), margin, atol=1e-5)


def test_leaves_are_one_integer_for_each_tree() -> None:
    model = booster("binary:logistic")
    text = ANSWER_TYPES["text/csv"].write(select(("leaf",), model, ROWS), XGBOOST).decode()
    expected = model.model.predict(xgboost.DMatrix(ROWS), pred_leaf=True).astype(int).tolist()
    assert text.split("\n") == [f'"{row}"' for row in expected]


def test_json_has_awss_order_with_unknown_keys_last() -> None:
    keys = ("nonsense", "raw_score", "predicted_score", "contributions", "predicted_label")
    (first, *_) = lines(keys, booster("binary:logistic"))
    assert list(first) == [
        "predicted_label",
        "raw_score",
        "contributions",
        "nonsense",
        "predicted_score",
    ]


def test_csv_has_the_order_of_the_request() -> None:
    first = ANSWER_TYPES["text/csv"].write(
        select(("labels", "nonsense"), booster("binary:hinge"), ROWS), XGBOOST
    )
    assert first.split(b"\n")[0] == b'"[0, 1]",nan'


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (("labels", "nonsense"), []),
        (("leaf",), ["leaves"]),
        (("contributions", "labels"), ["contributions"]),
        (ALL, ["predict"]),
    ],
)
def test_only_needed_values_are_computed_and_only_once(
    keys: tuple[str, ...], asked: list[str]
) -> None:
    model = booster("binary:logistic")
    select(keys, model, ROWS)
    assert model.asked == asked


def test_warning_names_the_keys_once(caplog: pytest.LogCaptureFixture) -> None:
    selection._warn.cache_clear()
    model = booster("reg:squarederror")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            select(("predicted_label", "predicted_score", "nonsense"), model, ROWS)
    (record,) = caplog.records
    message = record.getMessage()
    assert "key(s) predicted_label, nonsense incompatible for objective 'reg:squared" in message
    assert message.endswith("predicted_score, contributions, leaf")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("predicted_label", ("predicted_label",)),
        (" Predicted_Label , LABELS ", ("predicted_label", "labels")),
        ("leaf,labels,leaf", ("leaf", "labels")),
        ("leaf,,", ("leaf",)),
        ("", ()),
        (" , ", ()),
    ],
)
def test_keys_are_read_as_aws_reads_them(text: str, keys: tuple[str, ...]) -> None:
    assert keys_of(text) == keys


def classifier(estimator: Any, target: np.ndarray, **meaning: Any) -> Model:
    fitted = estimator.fit(ROWS, target)
    return Model(Meaning("", classes=tuple(fitted.classes_.tolist()), **meaning), fitted)


def test_classifier_of_two_texts_has_the_probability_of_the_second() -> None:
    target = np.where(YES > 0, "yes", "no")
    model = classifier(LogisticRegression(), target)
    answers = lines(("predicted_label", "labels", "probability", "probabilities"), model)
    expected = model.model.predict_proba(ROWS)
    assert [row["predicted_label"] for row in answers] == model.model.predict(ROWS).tolist()
    assert answers[0]["labels"] == ["no", "yes"]
    assert [row["probability"] for row in answers] == expected[:, 1].tolist()
    assert [row["probabilities"] for row in answers] == expected.tolist()


def test_classifier_of_three_classes_has_the_highest_probability() -> None:
    model = classifier(LogisticRegression(), CLASS.astype(int) * 10)
    answers = lines(("predicted_label", "labels", "probability"), model)
    assert answers[0]["labels"] == [0, 10, 20]
    assert [row["predicted_label"] for row in answers] == model.model.predict(ROWS).tolist()
    highest = model.model.predict_proba(ROWS).max(axis=1)
    assert [row["probability"] for row in answers] == highest.tolist()


def test_classifier_without_probabilities_has_its_labels() -> None:
    model = classifier(LinearSVC(), YES.astype(int), has_probabilities=False)
    (first, *_) = lines(("predicted_label", "labels", "probability"), model)
    expected = int(model.model.predict(ROWS)[0])
    assert first == {"predicted_label": expected, "labels": [0, 1], "probability": None}


def test_regressor_has_a_predicted_score() -> None:
    model = Model(Meaning(""), LinearRegression().fit(ROWS, NUMBER))
    answers = lines(("predicted_score", "contributions"), model)
    scores = [row["predicted_score"] for row in answers]
    np.testing.assert_allclose(scores, model.model.predict(ROWS))
    assert answers[0]["contributions"] is None
