"""``serve`` with wrong requests: the status, and one line with the remedy."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass

import pytest
from containers import Answer, Served
from predictions import BODY

pytestmark = pytest.mark.timeout(300)

CSV = {"Content-Type": "text/csv"}
MEGABYTES_7 = b"0.25,0.25,0.25,0.25\n" * 350_000


@dataclass(frozen=True)
class Refusal:
    """A request that is refused, and what the answer must contain."""

    status: int
    says: str
    body: bytes = BODY
    headers: tuple[tuple[str, str], ...] = tuple(CSV.items())
    method: str = "POST"
    path: str = "/invocations"


def typed(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type),)


def accepting(accept: str) -> tuple[tuple[str, str], ...]:
    return (("Accept", accept), *CSV.items())


REFUSALS = {
    "too few columns": Refusal(400, "expected 4 columns in each row, found 3", b"1,2,3\n"),
    "too many columns": Refusal(400, "expected 4 columns in each row, found 6", b"1,2,3,4,5,6"),
    "label among the columns": Refusal(
        400, r"expected 4 .* found 5 \(is the label among them\?\)", b"1,2,3,4,5"
    ),
    "one column": Refusal(400, "expected 4 columns in each row, found 1", b"1\n2\n"),
    "unknown path": Refusal(404, "/predict", path="/predict"),
    "models of a multi-model endpoint": Refusal(404, "/models", method="GET", path="/models"),
    "GET on invocations": Refusal(405, "GET /invocations", b"", method="GET"),
    "PUT on invocations": Refusal(405, "PUT /invocations", method="PUT"),
    "DELETE on ping": Refusal(405, "DELETE /ping", b"", method="DELETE", path="/ping"),
    "wrong accept": Refusal(
        406, "image/png .*application/json, text/csv", headers=accepting("image/png")
    ),
    "wrong accept list": Refusal(406, "text/csv", headers=accepting("text/html, image/png")),
    "accept that is refused by q=0": Refusal(
        406, "text/csv", headers=accepting("text/csv;q=0, application/json;q=0")
    ),
    "wrong content type": Refusal(415, "image/png .*text/csv", headers=typed("image/png")),
    "JSON that breaks off": Refusal(415, "line 1, character 3", b"[1", typed("application/json")),
    "label_size of 2": Refusal(415, "label_size", headers=typed("text/csv;label_size=2")),
    "not UTF-8": Refusal(415, "row 2|line 2: byte 3 is not UTF-8", b"1,2,3,4\n1,\xe9,3,4\n"),
    "UTF-16": Refusal(415, "1", "1,2,3,4".encode("utf-16")),
    "text cell": Refusal(415, "line 2, column 3: 'abc' is not a number", b"1,2,3,4\n1,2,abc,4\n"),
    "header row": Refusal(415, "line 1, column 1: 'a' is not a number", b"a,b,c,d\n1,2,3,4\n"),
    "ragged row": Refusal(415, "line 2 has 3 cells, the first row has 4", b"1,2,3,4\n1,2,3\n"),
    "unclosed quote": Refusal(415, "line 1", b'"1,2,3,4\n1,2,3,4\n'),
    "empty line amid rows": Refusal(415, "line 2", b"1,2,3,4\n\n1,2,3,4\n"),
    "only newlines": Refusal(415, "no row", b"\n\n\n"),
    "NUL bytes": Refusal(415, "line 1", b"1,2,\x00,4\n"),
    "underscore in a number": Refusal(415, "line 1, column 1: '1_0'", b"1_0,2,3,4"),
    "digits of another script": Refusal(415, "line 1, column 1", "\u0661,2,3,4".encode()),
    "text cell in a large body": Refusal(
        415, "line 5001, column 2: 'x'", b"1,2,3,4\n" * 5000 + b"1,x,3,4\n" + b"1,2,3,4\n" * 5000
    ),
}


@dataclass(frozen=True)
class Refused:
    refusal: Refusal
    answer: Answer


@pytest.fixture(scope="module", params=REFUSALS)
def refused(request: pytest.FixtureRequest, served: Served) -> Refused:
    refusal = REFUSALS[request.param]
    answer = served.request(refusal.method, refusal.path, refusal.body, dict(refusal.headers))
    return Refused(refusal, answer)


def test_status_is_that_of_the_mistake(refused: Refused) -> None:
    assert refused.answer.status == refused.refusal.status


def test_body_names_mistake_and_remedy(refused: Refused) -> None:
    assert re.search(refused.refusal.says, refused.answer.body.decode()), refused.answer.body


def test_body_is_one_line_of_text(refused: Refused) -> None:
    body = refused.answer.body.decode()
    assert body.endswith("\n")
    assert len(body.splitlines()) == 1
    assert refused.answer.content_type == "text/plain"


def test_server_is_healthy_afterwards(refused: Refused, served: Served) -> None:
    assert served.healthy()
    assert served.invoke(BODY).status == 200


def test_empty_body_is_204(served: Served) -> None:
    answer = served.invoke(b"")
    assert (answer.status, answer.body) == (204, b"")


def test_body_is_json_if_only_json_is_accepted(served: Served) -> None:
    answer = served.invoke(b"1,2,3", Accept="application/json")
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert "expected 4 columns" in json.loads(answer.body)["error"]


def test_body_too_large_is_answered_and_not_reset(served: Served) -> None:
    answer = served.invoke(MEGABYTES_7)
    assert answer.status == 413
    assert re.fullmatch(rb".*6291456 bytes.*MAX_CONTENT_LENGTH.*\n", answer.body)


def test_server_is_healthy_after_a_body_too_large(served: Served) -> None:
    with contextlib.suppress(OSError):
        served.invoke(MEGABYTES_7)
    assert served.healthy()
    assert served.invoke(BODY).status == 200


def test_body_of_the_largest_size_is_accepted(served: Served) -> None:
    limit = 6 << 20
    row = b"0.25,0.25,0.25,0.25\n"
    body = row * (limit // len(row))
    assert served.invoke(body + b"\n" * (limit - len(body))).status == 200


@pytest.mark.parametrize("chunk", [1 << 10, 1 << 16, 1 << 20])
def test_chunked_body_too_large_is_answered_and_not_reset(served: Served, chunk: int) -> None:
    chunks = (MEGABYTES_7[i : i + chunk] for i in range(0, len(MEGABYTES_7), chunk))
    answer = served.invoke(chunks)
    assert answer.status == 413
    assert b"6291456 bytes" in answer.body


CLIENT = """
import http.client, sys
body = b"0.25,0.25,0.25,0.25\\n" * 350_000
for chunked in (False, True):
    for _ in range(5):
        client = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
        sent = iter([body[i:i + 65536] for i in range(0, len(body), 65536)]) if chunked else body
        client.request("POST", "/invocations", sent, {"Content-Type": "text/csv"})
        print(client.getresponse().status)
        client.close()
"""


def test_body_too_large_is_answered_without_a_proxy_between(served: Served) -> None:
    # Docker's port is a proxy, which would hide a reset of the connection.
    output = served.container.exec_run(["python", "-c", CLIENT]).output.decode()
    assert output.split() == ["413"] * 10, output


def test_broken_chunk_is_400(served: Served) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


def test_method_that_is_not_allowed_is_answered_with_the_allowed_methods(served: Served) -> None:
    answer = served.request("GET", "/invocations")
    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]


def test_headers_too_large_are_refused(served: Served) -> None:
    answer = served.invoke(BODY, X_Long="x" * 100_000)
    assert answer.status in {400, 431}
    assert served.healthy()
