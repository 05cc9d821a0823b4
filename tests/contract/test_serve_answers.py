"""``serve``: every type of answer, selected keys, and batch transform's lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pytest
import sagemaker.amazon.common as records
import xgboost
from containers import Answer, Served, serving
from predictions import BODY, ROWS, as_csv, as_json, scores
from request_bodies import LINES, NAMES, TURNED_ROWS, as_lines, headed

pytestmark = pytest.mark.timeout(120)

KEYS = {
    "regression": "predicted_score,contributions,leaf,no such key",
    "binary": "predicted_label,labels,probability,probabilities,raw_score,contributions,leaf",
    "multiclass": "predicted_label,labels,probability,probabilities,raw_scores,contributions,leaf",
}


@dataclass(frozen=True)
class Selecting:
    """A server that answers with selected keys, and its model in this process."""

    server: Served
    booster: xgboost.Booster
    objective: str

    def ask(self, accept: str) -> Answer:
        answer = self.server.invoke(BODY, Accept=accept)
        assert (answer.status, answer.content_type) == (200, accept), answer.body
        return answer

    def predicted(self, **options: Any) -> Any:
        return self.booster.predict(xgboost.DMatrix(ROWS), **options)


@pytest.fixture(scope="module", params=KEYS)
def selecting(
    request: pytest.FixtureRequest, docker_engine: docker.DockerClient, image: str
) -> Iterator[Selecting]:
    model: Path = request.getfixturevalue(request.param)
    booster = xgboost.Booster(model_file=bytearray((model / "xgboost-model").read_bytes()))
    environment = {"SAGEMAKER_INFERENCE_OUTPUT": KEYS[request.param]}
    with serving(docker_engine, image, model, environment=environment) as server:
        yield Selecting(server, booster, request.param)


def test_selected_keys_are_those_of_the_model(selecting: Selecting) -> None:
    document = json.loads(selecting.ask("application/json").body)
    found = document["predictions"]
    scored = selecting.predicted()
    assert len(found) == len(ROWS)
    assert {frozenset(row) for row in found} == {
        frozenset(KEYS[selecting.objective].replace(" ", "").split(","))
    }
    for row, score in zip(found, scored, strict=True):
        if selecting.objective == "regression":
            assert row["predicted_score"] == pytest.approx(score, abs=1e-6)
            assert row["nosuchkey"] is None  # NaN, which JSON does not have
        elif selecting.objective == "binary":
            assert row["predicted_label"] == int(score > 0.5)
            assert row["probabilities"] == pytest.approx([1 - score, score], abs=1e-6)
            assert row["labels"] == [0, 1]
        else:
            assert row["predicted_label"] == score.argmax()
            assert row["probability"] == pytest.approx(score.max(), abs=1e-6)
            assert row["probabilities"] == pytest.approx(score, abs=1e-6)
            assert row["labels"] == [0, 1, 2]


def test_contributions_and_leaves_equal_xgboosts(selecting: Selecting) -> None:
    lines = selecting.ask("application/jsonlines").body.splitlines()
    found = [json.loads(line) for line in lines]
    contributions = np.array([row["contributions"] for row in found])
    leaves = np.array([row["leaf"] for row in found])
    assert contributions == pytest.approx(selecting.predicted(pred_contribs=True), abs=1e-5)
    assert (leaves == selecting.predicted(pred_leaf=True).reshape(leaves.shape)).all()


def test_selected_keys_are_cells_of_csv(selecting: Selecting) -> None:
    lines = selecting.ask("text/csv").body.decode().split("\n")
    assert len(lines) == len(ROWS)
    assert ("nan" in lines[0].split(",")) == (selecting.objective == "regression")


def test_selected_keys_are_labels_of_recordio(selecting: Selecting) -> None:
    answer = selecting.ask("application/x-recordio-protobuf")
    found = records.read_records(io.BytesIO(answer.body))
    assert len(found) == len(ROWS)
    assert set(found[0].label) == set(KEYS[selecting.objective].replace(" ", "").split(","))


@pytest.fixture(scope="module")
def expected(regression: Path) -> list[float]:
    return scores(regression)


def test_npy_answer_is_an_array(served: Served, expected: list[float]) -> None:
    answer = served.invoke(BODY, Accept="application/x-npy")
    assert answer.content_type == "application/x-npy"
    array = np.load(io.BytesIO(answer.body), allow_pickle=False)
    assert array.dtype == np.float32
    assert array.tolist() == expected


def test_recordio_answer_has_a_record_for_each_row(served: Served, expected: list[float]) -> None:
    answer = served.invoke(BODY, Accept="application/x-recordio-protobuf")
    found = records.read_records(io.BytesIO(answer.body))
    values = [list(record.label["score"].float32_tensor.values) for record in found]
    assert values == [[score] for score in expected]


def test_jsonlines_answer_has_a_line_for_each_row(served: Served, expected: list[float]) -> None:
    answer = served.invoke(BODY, Accept="application/jsonlines")
    assert answer.body == as_lines([{"score": score} for score in expected])


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/*;q=0.2, text/csv;q=0.1", "application/json"),
        ("application/json;q=0, application/*", "application/jsonlines"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/x-npy;q=0.9,application/jsonlines;q=0.8", "application/x-npy"),
        ("image/png,application/x-recordio-protobuf;q=.1", "application/x-recordio-protobuf"),
    ],
)
def test_qualities_and_wildcards_choose(served: Served, accept: str, content_type: str) -> None:
    assert served.invoke(BODY, Accept=accept).content_type == content_type


@pytest.mark.parametrize("accept", ["text/html", "text/html, image/*", "*/*;q=0", "a;q=x, ;"])
def test_type_that_is_not_offered_is_406_with_the_offered_types(
    served: Served, accept: str
) -> None:
    answer = served.invoke(BODY, Accept=accept)
    assert answer.status == 406
    assert b"application/json, text/csv, application/jsonlines, application/x-npy" in answer.body


@pytest.fixture(scope="module")
def transforming(docker_engine: docker.DockerClient, image: str, named: Path) -> Iterator[Served]:
    """The model with names, as batch transform runs it on one processor."""
    environment = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "7"}
    with serving(docker_engine, image, named, environment=environment, nano_cpus=10**9) as server:
        yield server


@pytest.fixture(scope="module")
def lines(named: Path) -> bytes:
    return as_csv(scores(named))


def test_batch_answers_a_line_for_each_line_of_csv(transforming: Served, lines: bytes) -> None:
    assert transforming.invoke(BODY).body == lines


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; header=present"])
def test_batch_answers_a_header_line_with_a_line(
    transforming: Served, lines: bytes, content_type: str
) -> None:
    answer = transforming.invoke(headed(NAMES, ROWS), Content_Type=content_type)
    assert answer.body == b"score\n" + lines


def test_batch_answers_a_body_with_only_a_header_line(transforming: Served) -> None:
    answer = transforming.invoke(",".join(NAMES).encode() + b"\n")
    assert (answer.status, answer.body) == (200, b"score\n")


def test_batch_refuses_a_header_in_another_order(transforming: Served) -> None:
    # The requests that follow have no header: their columns would be read by position.
    answer = transforming.invoke(headed(NAMES[::-1], TURNED_ROWS))
    assert answer.status == 400
    assert b"in the model's order: " + ", ".join(NAMES).encode() in answer.body


def test_batch_refuses_wrong_names_and_types(transforming: Served) -> None:
    assert transforming.invoke(headed(["x", *NAMES[1:]], ROWS)).status == 400
    assert transforming.invoke(BODY, Content_Type="application/xml").status == 415


def test_batch_answers_a_line_for_each_line_of_jsonlines(transforming: Served, named: Path) -> None:
    answer = transforming.invoke(
        LINES, Content_Type="application/jsonlines", Accept="application/jsonlines"
    )
    assert answer.body == as_lines([{"score": score} for score in scores(named)])


def test_batch_answers_a_document_with_a_line_end(transforming: Served, named: Path) -> None:
    answer = transforming.invoke(BODY, Accept="application/json")
    assert answer.body == as_json(scores(named)) + b"\n"


def test_batch_gets_the_jobs_payload_and_the_containers_processors(transforming: Served) -> None:
    answer = transforming.request("GET", "/execution-parameters")
    assert json.loads(answer.body) == {
        "MaxConcurrentTransforms": 1,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 7,
    }
    line = BODY.partition(b"\n")[0] + b"\n"
    assert transforming.invoke(line * ((7 << 20) // len(line))).status == 200
    assert transforming.invoke(line * ((7 << 20) // len(line) + 1)).status == 413


# What SageMaker Clarify and Model Monitor send and read.
CLARIFY = {
    "csv for csv": ("text/csv", BODY, "text/csv"),
    "csv for JSON Lines": ("text/csv", BODY, "application/jsonlines"),
    "features for JSON Lines": (
        "application/jsonlines",
        as_lines([{"features": row} for row in ROWS]),
        "application/jsonlines",
    ),
    "nested features for csv": (
        "application/jsonlines",
        as_lines([{"data": {"features": row}} for row in ROWS]),
        "text/csv",
    ),
}


@pytest.mark.parametrize("case", CLARIFY)
@pytest.mark.parametrize("rows", [len(ROWS), 1])
def test_answer_to_clarify_has_the_form_that_clarify_reads(
    served: Served, expected: list[float], case: str, rows: int
) -> None:
    content_type, body, accept = CLARIFY[case]
    sent = b"\n".join(body.splitlines()[:rows])
    answer = served.invoke(sent, Content_Type=content_type, Accept=accept)
    objects = as_lines([{"score": score} for score in expected[:rows]])
    wanted = as_csv(expected[:rows]) if accept == "text/csv" else objects
    assert (answer.status, answer.content_type, answer.body) == (200, accept, wanted)


ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
PEOPLE = b"0.9,0.1,Bonn\n-0.9,0.1,Ulm\n"
DEFAULT = ["predicted_label", "probability", "probabilities"]


def keys_of(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return list(json.loads(answer.body)["predictions"][0])


@pytest.fixture(scope="module")
def classifying(
    docker_engine: docker.DockerClient, image: str, classifier: Path
) -> Iterator[Served]:
    with serving(docker_engine, image, classifier) as server:
        yield server


def test_classifier_answers_its_label_with_probabilities(classifying: Served) -> None:
    answer = classifying.invoke(PEOPLE, Accept="application/json")
    yes, no = json.loads(answer.body)["predictions"]
    assert (yes["predicted_label"], no["predicted_label"]) == ("yes", "no")
    # As in AWS's containers: with two classes, the probability of the second class.
    assert (yes["probability"], no["probability"]) == (
        yes["probabilities"][1],
        no["probabilities"][1],
    )
    assert yes["probability"] > 0.5 > no["probability"]
    assert sum(no["probabilities"]) == pytest.approx(1)
    lines = classifying.invoke(PEOPLE, Accept="application/jsonlines").body.splitlines()
    assert [json.loads(line) for line in lines] == [yes, no]


def test_classifier_answers_a_label_in_each_line_of_csv(classifying: Served) -> None:
    assert classifying.invoke(PEOPLE).body == b"yes\nno\n"


def test_request_selects_keys_by_accept_or_custom_attributes(classifying: Served) -> None:
    by_accept = classifying.invoke(PEOPLE, Accept="application/json; output=labels,probability")
    assert keys_of(by_accept) == ["labels", "probability"]
    by_attribute = classifying.invoke(
        PEOPLE, Accept="application/json", **{ATTRIBUTES: "trace=7; tabular-output=labels"}
    )
    assert keys_of(by_attribute) == ["labels"]
    assert by_attribute.headers[ATTRIBUTES] == "trace=7; tabular-output=labels"
    plain = classifying.invoke(PEOPLE, Accept="application/json; output=score")
    assert plain.body == b'{"predictions": [{"score": "yes"}, {"score": "no"}]}'


def test_xgboost_answers_scores_until_a_request_selects_keys(
    docker_engine: docker.DockerClient, image: str, binary: Path
) -> None:
    with serving(docker_engine, image, binary) as server:
        plain = server.invoke(BODY, Accept="application/json")
        selected = server.invoke(BODY, Accept="application/json; output=predicted_label")
    assert (keys_of(plain), keys_of(selected)) == (["score"], ["predicted_label"])


def test_batch_and_multi_model_endpoints_answer_alike(
    docker_engine: docker.DockerClient, image: str, classifier: Path
) -> None:
    accept = "application/json; output=probability"
    options = {"environment": {"SAGEMAKER_BATCH": "true"}}
    with serving(docker_engine, image, classifier, **options) as server:
        assert keys_of(server.invoke(PEOPLE, Accept="application/json")) == DEFAULT
        assert keys_of(server.invoke(PEOPLE, Accept=accept)) == ["probability"]
        extra = b"id,age,income,city\n7,0.9,0.1,Bonn\n"
        assert server.invoke(extra).body == b"score\nyes\n"
    options = {"environment": {"SAGEMAKER_MULTI_MODEL": "true"}}
    with serving(docker_engine, image, classifier, **options) as server:
        url = json.dumps({"model_name": "m", "url": "/opt/ml/model"}).encode()
        assert server.request("POST", "/models", url).status == 200
        for headers, keys in (({}, DEFAULT), ({"Accept": accept}, ["probability"])):
            named = {"Content-Type": "text/csv", **headers}
            answer = server.request("POST", "/models/m/invoke", PEOPLE, named)
            assert keys_of(answer) == keys
