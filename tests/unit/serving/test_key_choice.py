"""Which keys an answer has: chosen by the request, by the endpoint, or by the kind of model."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.algorithms.selection_keys import PROBABILITY
from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor
from tabular.contract.endpoint import Endpoint
from tabular.data.columns import Columns
from tabular.serving import selection
from tabular.serving.answers.accept import output_of
from tabular.serving.answers.profiles import MULTI_MODEL
from tabular.serving.app import create_base_app
from tabular.serving.invocation import model_invoker
from tabular.serving.selection import requested

ROWS = np.random.default_rng(4).normal(size=(40, 2)).astype(np.float32)
LABELS = np.where(ROWS[:, 0] > 0, "yes", "no")
BODY = "1.5,0\n-1.5,0"
JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
DEFAULT = ["predicted_label", "probability", "probabilities"]
CLASSIFIER = EstimatorPredictor(LogisticRegression().fit(ROWS, LABELS))


class Boosted(Predictor):
    """Scores as XGBoost's ``binary:logistic`` has them."""

    engine, columns = "a test", Columns(2)

    def __init__(self, classes: tuple[Any, ...] = ()) -> None:
        self.meaning = Meaning("binary:logistic", classes=classes, keys=PROBABILITY)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), 0.75, np.float32)


def ask(
    model: Predictor,
    accept: str = JSON,
    attributes: str | None = None,
    multi_model: bool = False,
    body: str = BODY,
    **settings: Any,
) -> str:
    endpoint = Endpoint(..., **settings)  # type: ignore[arg-type]
    app = create_base_app(endpoint, None, {})
    invoke = model_invoker(endpoint, *[MULTI_MODEL] * multi_model)
    app.add_url_rule("/invocations", view_func=lambda: invoke(model), methods=["POST"])
    headers = {"Content-Type": CSV, "Accept": accept}
    if attributes is not None:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    answer = app.test_client().post("/invocations", data=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers.get("X-Amzn-SageMaker-Custom-Attributes") == attributes
    return answer.text


def keys(text: str) -> list[str]:
    rows = json.loads(text)["predictions"]
    assert len({tuple(row) for row in rows}) == 1
    return list(rows[0])


def test_classifier_answers_label_and_probabilities() -> None:
    expected = CLASSIFIER.probabilities(np.array([[1.5, 0], [-1.5, 0]], np.float32))
    assert json.loads(ask(CLASSIFIER))["predictions"] == [
        {"predicted_label": label, "probability": both[1], "probabilities": both}
        for label, both in zip(("yes", "no"), expected.tolist(), strict=True)
    ]


@pytest.mark.parametrize("multi_model", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_classifier_answers_alike_on_every_server(multi_model: bool, batch: bool) -> None:
    assert keys(ask(CLASSIFIER, JSON, multi_model=multi_model, batch=batch)) == DEFAULT
    lines = ask(CLASSIFIER, LINES, multi_model=multi_model, batch=batch).splitlines()
    assert [list(json.loads(line)) for line in lines] == [DEFAULT, DEFAULT]


def test_csv_of_a_classifier_has_labels_alone() -> None:
    assert ask(CLASSIFIER, CSV) == "yes\nno\n"


def test_classifier_without_probabilities_answers_its_label() -> None:
    model = EstimatorPredictor(LinearSVC().fit(ROWS, LABELS))
    assert json.loads(ask(model))["predictions"] == [
        {"predicted_label": "yes"},
        {"predicted_label": "no"},
    ]


@pytest.mark.parametrize(
    "model",
    [EstimatorPredictor(LinearRegression().fit(ROWS, ROWS[:, 0])), Boosted(), Boosted((0, 1))],
)
def test_regressor_and_xgboost_with_numbers_answer_scores(model: Predictor) -> None:
    assert keys(ask(model)) == ["score"]


def test_xgboost_with_texts_as_labels_answers_as_a_classifier() -> None:
    assert keys(ask(Boosted(("no", "yes")))) == DEFAULT


def test_guessed_classes_of_another_tools_model_are_no_labels() -> None:
    model = Boosted()
    model.meaning = Meaning("", classes=(0, 1), guessed=True)
    assert keys(ask(model)) == ["score"]


@pytest.mark.parametrize(
    ("accept", "attributes", "configured", "expected"),
    [
        (f"{JSON}; output=labels,probability", None, "", ["labels", "probability"]),
        (f'{JSON};output="Probability , labels";q=0.5', None, "", ["labels", "probability"]),
        (f"*/*, {JSON};output=labels", None, "", ["labels"]),
        (JSON, "tabular-output=labels", "", ["labels"]),
        (JSON, "trace=7;tabular-output=labels, probability;x=1", "", ["labels", "probability"]),
        (JSON, "tabular-output=labels,probability,trace=7", "", ["labels", "probability"]),
        (JSON, "a b, Tabular-Output=labels", "predicted_label", ["labels"]),
        (f"{JSON};output=labels", "tabular-output=probability", "predicted_label", ["labels"]),
        (JSON, "not-tabular-output=labels", "predicted_label", ["predicted_label"]),
        (JSON, "tabular-output=", "predicted_label", ["predicted_label"]),
        (f"{JSON};output=", "x", "predicted_label", ["predicted_label"]),
        (f"{JSON};output=score", None, "predicted_label", ["score"]),
        (JSON, "tabular-output=score", "", ["score"]),
        (JSON, None, "score", ["score"]),
        (f"{JSON}; output=nonsense", None, "", ["nonsense"]),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_request_chooses_before_the_endpoint(
    accept: str, attributes: str | None, configured: str, expected: list[str], batch: bool
) -> None:
    answer = ask(CLASSIFIER, accept, attributes, inference_output=configured, batch=batch)
    assert keys(answer) == expected


def test_request_chooses_on_a_multi_model_endpoint() -> None:
    accept = f"{JSON}; output=predicted_label"
    assert keys(ask(Boosted(), accept, multi_model=True)) == ["predicted_label"]
    assert ask(Boosted(), JSON, multi_model=True) == "[0.75, 0.75]"
    assert ask(CLASSIFIER, f"{JSON};output=score", multi_model=True) == '["yes", "no"]'


def test_request_chooses_keys_of_csv() -> None:
    assert ask(Boosted(), f"{CSV};output=predicted_label,probability") == "1,0.75\n1,0.75"


def test_batch_has_the_chosen_keys_as_its_header_line() -> None:
    model = Boosted()
    model.columns = Columns(2, names=("a", "b"))
    answer = ask(model, f"{CSV};output=probability", body=f"a,b\n{BODY}", batch=True)
    assert answer == "probability\n0.75\n0.75\n"


def test_default_type_has_the_keys_of_its_wildcard() -> None:
    assert ask(Boosted(), "*/*; output=predicted_label") == "1\n1"


def test_keys_of_a_request_never_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    selection._warn_of_request.cache_clear()
    with caplog.at_level(logging.WARNING):
        for secret in ("secret1", "secret2"):
            assert keys(ask(Boosted(), f"{JSON};output={secret}")) == [secret]
    (record,) = caplog.records
    assert "secret" not in record.getMessage()
    assert "binary:logistic" in record.getMessage()


@pytest.mark.parametrize(
    ("accept", "content_type", "output"),
    [
        (None, CSV, ""),
        (JSON, JSON, ""),
        (f"{JSON};output=a,b, {CSV};output=c", JSON, "a,b"),
        (f"{JSON};output=a,b, {CSV};output=c", CSV, "c"),
        (f"{JSON};output=a, *", JSON, "a"),
        (f"application/*;OUTPUT=A;q=1, {CSV}", JSON, "a"),
        (f"{JSON}, */*;output=a", JSON, ""),
        (f"{JSON};no-output=a", JSON, ""),
    ],
)
def test_output_is_that_of_the_range_of_the_type(
    accept: str | None, content_type: str, output: str
) -> None:
    assert output_of(accept, content_type) == output


@pytest.mark.parametrize(
    "text", ["", "=", "tabular-output", "tabular-output=;x", "\xff\xfe;," * 99]
)
def test_attributes_without_keys_select_nothing(text: str) -> None:
    assert requested("", text) is None


def test_attributes_are_read_in_linear_time() -> None:
    found = requested("", "tabular-output=" + "a,b-" * 20_000 + "=")
    assert found is not None
