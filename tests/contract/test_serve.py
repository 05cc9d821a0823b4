"""``serve``: routes, and the exact bytes of answers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import docker
import pytest
from containers import Served, exchange, serving
from predictions import BODY, as_csv, as_json, scores

pytestmark = pytest.mark.timeout(300)

NAN = float("nan")


@pytest.fixture(scope="module", params=["regression", "binary", "multiclass"])
def model(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def model_served(docker_engine: docker.DockerClient, image: str, model: Path) -> Any:
    with serving(docker_engine, image, model) as server:
        yield server


def test_csv_answer_has_the_bytes_of_aws_container(model_served: Served, model: Path) -> None:
    answer = model_served.invoke(BODY, Accept="text/csv")
    assert (answer.status, answer.body) == (200, as_csv(scores(model)))


def test_json_answer_has_the_bytes_of_aws_container(model_served: Served, model: Path) -> None:
    answer = model_served.invoke(BODY, Accept="application/json")
    assert (answer.status, answer.body) == (200, as_json(scores(model)))


def test_single_row_gets_the_score_of_a_row_among_many(model_served: Served, model: Path) -> None:
    answer = model_served.invoke(BODY.partition(b"\n")[0])
    assert answer.body == as_csv(scores(model)[:1])


def test_large_body_gets_the_scores_of_small_bodies(model_served: Served, model: Path) -> None:
    # Above 64 KiB another reader is used.
    answer = model_served.invoke((BODY + b"\n") * 500)
    assert answer.body == as_csv(scores(model)) * 500


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_200_with_an_empty_body(served: Served, method: str) -> None:
    answer = served.request(method, "/ping")
    assert (answer.status, answer.body) == (200, b"")


def test_container_writes_only_to_tmp(served: Served) -> None:
    assert served.container.attrs["HostConfig"]["ReadonlyRootfs"]
    assert served.invoke(BODY).status == 200


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv"),
        ("application/json", "application/json"),
        ("*/*", "text/csv"),
        ("", "text/csv"),
        ("text/*", "text/csv"),
        ("application/*", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html, application/json", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("image/png, */*;q=0.1", "text/csv"),
        ("application/jsonlines, */*;q=0.1", "application/jsonlines"),
    ],
)
def test_accept_chooses_the_content_type(served: Served, accept: str, content_type: str) -> None:
    answer = served.invoke(BODY, Accept=accept)
    assert (answer.status, answer.content_type) == (200, content_type)


def test_no_accept_header_gives_csv(served: Served) -> None:
    connection = served.connect()
    connection.putrequest("POST", "/invocations", skip_accept_encoding=True)
    connection.putheader("Content-Type", "text/csv")
    connection.putheader("Content-Length", str(len(BODY)))
    connection.endheaders(BODY)
    assert connection.getresponse().headers.get_content_type() == "text/csv"
    connection.close()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "csv",
        "TEXT/CSV",
        "text/csv; charset=utf-8",
        "text/csv;label_size=1",
        "text/csv ; header=absent",
    ],
)
def test_content_type_may_have_parameters_and_any_case(
    served: Served, regression: Path, content_type: str
) -> None:
    answer = served.invoke(BODY, Content_Type=content_type)
    assert (answer.status, answer.body) == (200, as_csv(scores(regression)))


BODIES = {
    "trailing newline": BODY + b"\n",
    "CRLF": BODY.replace(b"\n", b"\r\n") + b"\r\n",
    "tabs": BODY.replace(b",", b"\t"),
    "semicolons": BODY.replace(b",", b";"),
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "exponents": BODY.replace(b"\n", b"e0\n"),
    "quoted numbers": b"\n".join(
        b",".join(b'"%s"' % cell for cell in line.split(b",")) for line in BODY.splitlines()
    ),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_spellings_of_a_body_get_equal_answers(
    served: Served, regression: Path, body: bytes
) -> None:
    answer = served.invoke(body)
    assert (answer.status, answer.body) == (200, as_csv(scores(regression)))


@pytest.mark.parametrize("row", ["1,,2,3", "1,nan,2,3", "1,NaN,2,3", ",,,", "nan,nan,nan,nan"])
def test_empty_and_nan_cells_are_missing(served: Served, regression: Path, row: str) -> None:
    cells = [float(cell or NAN) for cell in row.split(",")]
    assert served.invoke(row.encode()).body == as_csv(scores(regression, [cells]))


def test_chunked_body_is_read(served: Served, regression: Path) -> None:
    chunks = (BODY[i : i + 10] for i in range(0, len(BODY), 10))
    assert served.invoke(chunks).body == as_csv(scores(regression))


def test_client_that_expects_100_continue_is_answered(served: Served) -> None:
    head = (
        "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(BODY)
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_connection_is_kept_alive(served: Served) -> None:
    connection = served.connect()
    headers = {"Content-Type": "text/csv"}
    statuses = []
    sockets = set()
    for _ in range(20):
        statuses.append(exchange(connection, "POST", "/invocations", BODY, headers).status)
        statuses.append(exchange(connection, "GET", "/ping").status)
        sockets.add(connection.sock.getsockname() if connection.sock else None)
    connection.close()
    assert statuses == [200] * 40
    assert len(sockets - {None}) == 1


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    request = (
        f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(request * 3 + last)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 4


def test_headers_of_sagemaker_are_ignored(served: Served) -> None:
    headers = {"X-Amzn-SageMaker-Inference-Id": "1", "X-Amzn-SageMaker-Custom-Attributes": "a=b"}
    assert served.invoke(BODY, **headers, Host="model.aws.local:8080").status == 200
