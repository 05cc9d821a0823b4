from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import create_environ

from tabular.contract.endpoint import Endpoint
from tabular.serving import logs
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor
from tabular.serving.middleware import ROWS, observed
from tabular.serving.telemetry import Telemetry

from .test_telemetry import requests, value

CSV = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Inference-Id": "id-1"}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(1, 0.0)


@pytest.fixture
def client(model_folder: Path, telemetry: Telemetry) -> FlaskClient:
    app = create_app(Endpoint(model_folder), load_predictor(model_folder))
    app.wsgi_app = observed(app.wsgi_app, telemetry, access_log=True)  # type: ignore[method-assign, assignment]
    return app.test_client()


@pytest.fixture
def access_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logs.access.name):
        yield caplog


def test_answers_and_refusals_are_counted(client: FlaskClient, telemetry: Telemetry) -> None:
    client.post("/invocations", data="1,2,3,4", headers=CSV)
    client.post("/invocations", data="1,2,3", headers=CSV)
    client.get("/invocations")
    found = [requests(telemetry, code) for code in (200, 400, 405)]
    assert found == [1, 1, 1]
    assert value(telemetry, "tabular_request_duration_seconds_sum") > 0


def test_other_requests_are_not_counted(client: FlaskClient, telemetry: Telemetry) -> None:
    client.get("/ping")
    client.get("/nothing")
    assert value(telemetry, "tabular_request_duration_seconds_count") == 0


def test_rows_are_those_that_the_application_names(telemetry: Telemetry) -> None:
    app = Flask("tiny")

    @app.post("/invocations")
    def invocations() -> str:
        request.environ[ROWS] = 5
        return ""

    app.wsgi_app = observed(app.wsgi_app, telemetry)  # type: ignore[method-assign, assignment]
    app.test_client().post("/invocations")
    assert value(telemetry, "tabular_rows_total") == 5


def test_exception_of_the_application_is_counted_and_raised(telemetry: Telemetry) -> None:
    def application(*_: object) -> list[bytes]:
        raise ValueError("broken")

    answer = observed(application, telemetry)
    with pytest.raises(ValueError, match="broken"):
        answer(create_environ("/invocations"), lambda *_: None)
    assert requests(telemetry, 500) == 1


def test_request_is_logged_if_the_access_log_is_on(
    client: FlaskClient, access_log: pytest.LogCaptureFixture
) -> None:
    client.post("/invocations", data="1,2,3", headers=CSV)
    refused, record = access_log.records
    assert refused.levelname == "WARNING"
    assert refused.getMessage().startswith("/invocations: 400 Unable to evaluate payload")
    assert logs.extras(refused) == {"inference_id": "id-1"}
    fields = logs.extras(record)
    assert fields.pop("milliseconds") > 0
    assert fields.pop("bytes_out") > 50
    assert fields == {
        "method": "POST",
        "path": "/invocations",
        "status": 400,
        "bytes_in": 5,
        "rows": 0,
        "inference_id": "id-1",
    }


def test_body_in_chunks_has_no_size(
    client: FlaskClient, access_log: pytest.LogCaptureFixture
) -> None:
    client.post("/invocations", headers={"Content-Length": "many"})
    assert logs.extras(access_log.records[0])["bytes_in"] == 0


def test_no_request_is_logged_if_the_access_log_is_off(
    telemetry: Telemetry, access_log: pytest.LogCaptureFixture
) -> None:
    app = Flask("tiny")
    app.wsgi_app = observed(app.wsgi_app, telemetry)  # type: ignore[method-assign, assignment]
    app.test_client().post("/invocations")
    assert access_log.records == []


def test_ping_is_not_logged(client: FlaskClient, access_log: pytest.LogCaptureFixture) -> None:
    client.get("/ping")
    assert access_log.records == []
