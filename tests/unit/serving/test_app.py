"""The application without a server, on a real model."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import xgboost
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.contract.endpoint import Endpoint
from tabular.data.columns import Columns
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor

from ..conftest import boost

CSV = {"Content-Type": "text/csv"}
ROW = "0.1,-0.2,0.3,0.4"


@pytest.fixture(scope="module")
def client(model_folder: Path) -> FlaskClient:
    return make_client(model_folder)


def make_client(folder: Path, **settings: object) -> FlaskClient:
    endpoint = Endpoint(folder, workers=3, max_concurrent_transforms=3, **settings)  # type: ignore[arg-type]
    return create_app(endpoint, load_predictor(folder)).test_client()


def post(client: FlaskClient, body: str | bytes, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, headers={**CSV, **named})


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_ping_is_200_and_empty(client: FlaskClient, method: str) -> None:
    response = client.open("/ping", method=method)
    assert (response.status_code, response.data) == (200, b"")


def test_execution_parameters_are_those_of_the_contract(client: FlaskClient) -> None:
    assert client.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


def test_row_is_scored_by_the_model(client: FlaskClient, model_folder: Path) -> None:
    booster = xgboost.Booster()
    booster.load_model(bytearray((model_folder / "xgboost-model").read_bytes()))
    row = np.array([[0.1, -0.2, 0.3, 0.4]], np.float32)
    assert float(post(client, ROW).data) == pytest.approx(booster.inplace_predict(row)[0], rel=1e-6)


def test_answer_is_csv(client: FlaskClient) -> None:
    assert post(client, ROW).content_type == "text/csv; charset=utf-8"


def test_answer_is_json_when_asked_for(client: FlaskClient) -> None:
    response = post(client, ROW, Accept="application/json")
    assert [list(row) for row in response.json["predictions"]] == [["score"]]  # type: ignore[index]


def test_default_of_the_answer_can_be_set(model_folder: Path) -> None:
    client = make_client(model_folder, default_accept="application/json")
    assert post(client, ROW).content_type == "application/json"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_two_rows_have_two_lines(client: FlaskClient, end: str) -> None:
    assert post(client, f"{ROW}\n{ROW}{end}").data.count(b"\n") == 2


def test_missing_values_are_scored(client: FlaskClient) -> None:
    assert post(client, ",,,").status_code == 200


@pytest.mark.parametrize("content_type", ["text/csv; charset=utf-8", "csv", "TEXT/CSV"])
def test_spellings_of_the_content_type_are_accepted(client: FlaskClient, content_type: str) -> None:
    assert post(client, ROW, Content_Type=content_type).status_code == 200


def test_empty_body_has_no_content(client: FlaskClient) -> None:
    assert post(client, "").status_code == 204


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
@pytest.mark.parametrize("cell", ["inf", "-inf", "1e39"])
def test_infinite_value_is_not_a_server_error(tmp_path: Path, booster: str, cell: str) -> None:
    boost(tmp_path, {"booster": booster})
    assert post(make_client(tmp_path), f"1,2,3,{cell}").status_code < 500


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (
            "1,2,3,x",
            {},
            415,
            "Loading csv data failed with Exception, please ensure data is in csv",
        ),
        ("1,2,3,x", {}, 415, "line 1, column 4: 'x' is not a number"),
        ("1,2,3,4\n1,2", {}, 415, "line 2 has 2 cells, the first row has 4"),
        (" ", {}, 415, "the body holds no row"),
        (b"\xff,1,2,3", {}, 415, "is not UTF-8"),
        (ROW, {"Content_Type": "application/xml"}, 415, "is not an accepted ContentType"),
        (ROW, {"Content_Type": "text/csv;label_size=2"}, 415, "label_size must be equal to 1"),
        (ROW, {"Content_Type": "application/x-parquet"}, 415, "broken Parquet"),
        ("1,2,3", {}, 400, "expected 4 columns in each row, found 3."),
        (
            "1,2,3,4,5",
            {},
            400,
            "expected 4 columns in each row, found 5 (is the label among them?).",
        ),
        (ROW, {"Accept": "image/png"}, 406, "Accept type image/png is not supported"),
        # Body and Accept are wrong: the error names the body, as in AWS's container.
        ("1,2", {"Accept": "image/png"}, 400, "expected 4 columns"),
        ("1,2,3,x", {"Accept": "image/png"}, 415, "line 1, column 4"),
        (
            ROW,
            {"Content_Type": "application/x-www-form-urlencoded"},
            415,
            "curl -d sends this type by itself: add -H 'Content-Type: text/csv'",
        ),
    ],
)
def test_request_is_refused(
    client: FlaskClient, body: str | bytes, headers: dict[str, str], status: int, words: str
) -> None:
    response = post(client, body, **headers)
    assert (response.status_code, words in response.text) == (status, True), response.text


def test_refusal_is_one_line_of_text(client: FlaskClient) -> None:
    response = post(client, "1")
    assert (response.mimetype, response.text.count("\n")) == ("text/plain", 1)


def test_refusal_is_json_if_only_json_is_accepted(client: FlaskClient) -> None:
    assert "expected 4 columns" in post(client, "1", Accept="application/json").json["error"]  # type: ignore[index]


def test_refusal_does_not_show_html(client: FlaskClient) -> None:
    assert "<" not in client.get("/nowhere").text


def test_row_of_a_hundred_thousand_cells_is_refused_at_once(client: FlaskClient) -> None:
    # pyarrow's time grows with the number of columns: 30 s for a million columns, which fit into 6
    # MiB.
    started = time.perf_counter()
    post(client, ",".join(["1"] * 100_000))
    assert time.perf_counter() - started < 0.5


def test_body_above_the_limit_is_413(model_folder: Path) -> None:
    client = make_client(model_folder, max_body_bytes=100)
    response = post(client, "1" * 101)
    assert (response.status_code, "larger than 100 bytes" in response.text) == (413, True)


def test_body_at_the_limit_is_read(model_folder: Path) -> None:
    client = make_client(model_folder, max_body_bytes=100)
    assert post(client, ROW.ljust(100, "1")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "hint"),
    [
        ("GET", "/invocations", 405, "send OPTIONS or POST"),
        ("POST", "/predict", 404, "predictions are POST /invocations"),
    ],
)
def test_other_request_has_its_status_and_a_hint(
    client: FlaskClient, method: str, path: str, status: int, hint: str
) -> None:
    response = client.open(path, method=method)
    assert (response.status_code, hint in response.text) == (status, True), response.text


def test_large_bodies_are_processed_one_after_the_other(model_folder: Path) -> None:
    client = make_client(model_folder, request_bytes=64 << 20)
    body = f"{ROW}\n" * 100_000
    for _ in range(3):  # also after a refused request
        with post(client, body) as answer:  # a server closes the response after sending it
            assert answer.status_code == 200
        assert post(client, body + "x\n").status_code == 415


class Broken(Predictor):
    """A model whose code raises."""

    columns, meaning, engine = Columns(4), Meaning(""), "broken"

    def predict(self, rows: object) -> np.ndarray:
        raise RuntimeError("secret")


def test_error_of_the_server_is_500_without_its_message() -> None:
    client = create_app(Endpoint(Path()), Broken()).test_client()
    response = post(client, ROW)
    assert (response.status_code, "secret" in response.text) == (500, False)


def test_payload_limit_is_in_whole_mebibytes(model_folder: Path) -> None:
    client = make_client(model_folder, max_body_bytes=20 << 20)
    assert json.loads(client.get("/execution-parameters").text)["MaxPayloadInMB"] == 20


@pytest.mark.parametrize("body", [ROW, "0:0.1 1:-0.2 2:0.3 3:0.4"])
def test_format_of_a_body_without_a_content_type_is_detected(
    client: FlaskClient, body: str
) -> None:
    expected = post(client, ROW).data
    assert client.post("/invocations", data=body).data == expected


def test_libsvm_gets_the_scores_of_csv(client: FlaskClient) -> None:
    response = post(client, "0:0.1 1:-0.2 2:0.3 3:0.4", Content_Type="text/x-libsvm")
    assert response.data == post(client, ROW).data
