"""``serve`` for operators: ``/metrics``, log lines, and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from containers import Served, serving, wait_until
from predictions import BODY, ROWS
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.timeout(120)

WORKERS = 3
ON_SAGEMAKER = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
LOGGING = {"TABULAR_ACCESS_LOG": "true", "TABULAR_LOG_FORMAT": "json"}
ID, ATTRIBUTES = "X-Amzn-SageMaker-Inference-Id", "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture(scope="module")
def observed(docker_engine: docker.DockerClient, image: str, regression: Path) -> Iterator[Served]:
    """Several workers that log, as SageMaker runs them."""
    environment = {
        **ON_SAGEMAKER,
        **LOGGING,
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS),
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines",
    }
    with serving(docker_engine, image, regression, environment=environment) as server:
        wait_until(lambda: len(server.workers()) == WORKERS, "all workers run")
        yield server


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(server: Served) -> Samples:
    answer = server.request("GET", "/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = (name, frozenset(labels.items()))
    return after[key] - before.get(key, 0)


def test_metrics_count_what_was_sent_to_all_workers(observed: Served) -> None:
    before = samples_of(observed)
    bodies = [BODY] * 200 + [b"1,2,3"] * 30 + [b"1,2,3,x"] * 20 + [b""] * 10
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(observed.invoke, bodies))
    after = samples_of(observed)
    requests = "tabular_requests_total"
    counted = {code: grown(before, after, requests, code=code) for code in ("200", "400", "415")}
    assert counted == {"200": 200, "400": 30, "415": 20}
    assert grown(before, after, requests, code="204") == 10
    assert grown(before, after, "tabular_rows_total") == 200 * len(ROWS)
    assert grown(before, after, "tabular_errors_total", **{"class": "4xx"}) == 50
    assert grown(before, after, "tabular_errors_total", **{"class": "5xx"}) == 0
    assert grown(before, after, "tabular_request_duration_seconds_count") == len(bodies)
    assert grown(before, after, "tabular_request_duration_seconds_bucket", le="+Inf") == len(bodies)
    assert after["tabular_workers", frozenset()] == WORKERS


def records_of(server: Served) -> list[dict[str, object]]:
    lines = server.container.logs(stdout=False, stderr=True).decode().splitlines()
    return [json.loads(line) for line in lines]


def test_request_is_logged_as_one_line_of_json_with_its_inference_id(observed: Served) -> None:
    answer = observed.invoke(BODY, **{ID: 'of "mine" \\ here'})

    def mine() -> list[dict[str, object]]:
        found = [entry for entry in records_of(observed) if entry["message"] == "request"]
        return [entry for entry in found if entry.get("inference_id") == 'of "mine" \\ here']

    wait_until(mine, "the request is logged", 5)
    [entry] = mine()
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/invocations", 200)
    assert (entry["rows"], entry["bytes_in"]) == (len(ROWS), len(BODY))
    assert entry["bytes_out"] == len(answer.body)


def test_every_line_of_stderr_is_json_for_any_request(observed: Served) -> None:
    observed.invoke(b"1,x\n2", Content_Type="text/csv\t;", **{ID: "a\tb" * 100})
    observed.request("GET", "/%0a%0dERROR%20forged")
    observed.request("POST", "/invocations", BODY, {"Bad Name": "1"})
    assert len(records_of(observed)) > WORKERS


def test_custom_attributes_of_the_caller_are_returned(observed: Served) -> None:
    answer = observed.invoke(BODY, **{ATTRIBUTES: "trace=7; a,b"})
    assert answer.headers[ATTRIBUTES] == "trace=7; a,b"
    assert ATTRIBUTES not in observed.invoke(BODY).headers


@pytest.mark.parametrize("accept", ["*/*", ""])
def test_default_type_is_that_of_the_setting(observed: Served, accept: str) -> None:
    assert observed.invoke(BODY, Accept=accept).content_type == "application/jsonlines"
    assert observed.invoke(BODY, Accept="text/*").content_type == "text/csv"


def test_page_is_not_shown_on_sagemaker(observed: Served) -> None:
    assert observed.request("GET", "/").status == 404


def test_page_is_shown_elsewhere(served: Served) -> None:
    answer = served.request("GET", "/")
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert b"reg:squarederror" in answer.body


def test_requests_are_not_logged_by_default(served: Served) -> None:
    served.invoke(BODY, **{ID: "quiet"})
    served.invoke(b"1,x")
    assert b"quiet" not in served.container.logs()
    assert b"1,x" not in served.container.logs()


def test_refusal_of_a_request_with_an_id_is_logged(served: Served) -> None:
    served.invoke(b"1,2", **{ID: "order-4711"})
    assert b"400 Unable to evaluate payload" in served.container.logs()
    assert b"inference_id=order-4711" in served.container.logs()


def test_unknown_texts_are_counted_over_all_workers_and_logged_without_the_text(
    docker_engine: docker.DockerClient, image: str, classifier: Path
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with serving(docker_engine, image, classifier, environment=environment) as server:
        with ThreadPoolExecutor(4) as pool:
            bodies = [b"1,2,Paris\n1,2,Ulm\n"] * 40
            answers = list(pool.map(server.invoke, bodies))
        samples = samples_of(server)
        log = server.container.logs().decode()
    assert {answer.status for answer in answers} == {200}
    assert samples["tabular_unknown_texts_total", frozenset({("column", "city")})] == 40
    assert 1 <= log.count("column 'city': requests have texts") <= 2
    assert "Paris" not in log
