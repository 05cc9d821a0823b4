"""``serve`` with hundreds of slow clients: other requests are answered at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from containers import Served, serving
from slow_clients import ROW, Observed, SlowClients, observe, post

pytestmark = pytest.mark.timeout(180)

# The aims are 0.2 s for a ping and 1 s for a prediction, on an idle machine.
PING_SECONDS, PREDICTION_SECONDS = 1.0, 2.0
# SAGEMAKER_MODEL_SERVER_TIMEOUT, and so the deadlines of head, body and answer.
TIMEOUT_SECONDS = 4
WATCHED_SECONDS = 2.5
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MULTI_MODEL = {"SAGEMAKER_MULTI_MODEL": "true"}
# Number of clients, bytes that each sends at once, and bytes that each sends one by one.
SLOW: dict[str, tuple[int, bytes, bytes]] = {
    "300 heads": (300, b"POST /invocations HTTP/1.1\r\nX: ", b"x"),
    "2,000 heads": (2000, b"POST /invocations HTTP/1.1\r\nX: ", b"x"),
    "300 pings": (300, b"GET /ping HTTP/1.1\r\nX: ", b"x"),
    "150 bodies": (150, HEAD + b"Content-Length: 6000000\r\n\r\n" + bytes(60_000), b"1"),
    "300 small bodies": (300, HEAD + b"Content-Length: 200\r\n\r\n", b"1"),
    "300 bodies in chunks": (300, CHUNKED + b"64\r\n", b"1"),
    "300 chunks of one byte": (300, CHUNKED, b"1\r\n1\r\n"),
    "300 bodies that are too large": (300, HEAD + b"Content-Length: 9000000\r\n\r\n", b"1"),
    "300 loads": (300, b"POST /models HTTP/1.1\r\nContent-Length: 99\r\n\r\n{", b" "),
}


def address_of(served: Served) -> str:
    """The container's own address: a published port has a proxy of the engine before it."""
    served.container.reload()
    networks = served.container.attrs["NetworkSettings"]["Networks"]
    address: str = next(iter(networks.values()))["IPAddress"]
    return address


@pytest.fixture(scope="module")
def address(docker_engine: docker.DockerClient, image: str, regression: Path) -> Iterator[str]:
    environment = {
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": str(TIMEOUT_SECONDS),
    }
    with serving(docker_engine, image, regression, environment=environment) as served:
        address = address_of(served)
        workers = served.workers()
        yield address
        assert served.workers() == workers, served.container.logs().decode()[-3000:]


def require_prompt(seen: Observed) -> None:
    assert seen.failures == []
    assert seen.slowest("ping") < PING_SECONDS, seen.times["ping"]
    for kind in ("whole", "two packets"):
        assert seen.slowest(kind, 0.99) < PREDICTION_SECONDS, (kind, seen.times[kind])


@pytest.mark.parametrize("name", SLOW)
def test_slow_requests_delay_no_other_and_end_at_their_deadline(address: str, name: str) -> None:
    count, beginning, drip = SLOW[name]
    with SlowClients(address, count, beginning, drip, seconds=1) as clients:
        time.sleep(count / 2000)  # a ping waits behind the connections that are accepted before it
        require_prompt(observe(address, "/invocations", WATCHED_SECONDS))
        clients.wait_until_closed(2 * TIMEOUT_SECONDS)
        answers = set(clients.answers.values())
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)
    assert all(answer.endswith(b" s of its first byte; send it faster\n") for answer in answers)


def test_silent_connections_delay_no_request(address: str) -> None:
    with SlowClients(address, 2000, b""):
        time.sleep(1)  # a ping waits behind the connections that are accepted before it
        require_prompt(observe(address, "/invocations", WATCHED_SECONDS))


def test_answers_that_are_read_byte_by_byte_delay_no_request(address: str) -> None:
    request = b"".join(post("/invocations", (ROW + b"\n") * 300_000))
    with SlowClients(address, 16, request, seconds=1, receive_bytes=4096) as clients:
        time.sleep(3)  # until the predictions are made
        require_prompt(observe(address, "/invocations", WATCHED_SECONDS))
        assert clients.open <= 16


def test_slow_body_within_its_deadline_is_answered(address: str) -> None:
    head, body = post("/invocations", ROW, b"Connection: close")
    with SlowClients(address, 20, head, body, seconds=0.1) as clients:
        clients.wait_until_closed(2 * TIMEOUT_SECONDS)
        assert {answer[:13] for answer in clients.answers.values()} == {b"HTTP/1.1 200 "}


def test_ping_is_answered_with_more_connections_than_file_descriptors(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    limit = [docker.types.Ulimit(name="nofile", soft=256, hard=256)]
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with serving(
        docker_engine, image, regression, environment=environment, ulimits=limit
    ) as served:
        address = address_of(served)
        workers = served.workers()
        with SlowClients(address, 600, b"POST /invo", b"x") as clients:
            require_prompt(observe(address, "/invocations", WATCHED_SECONDS))
            assert clients.open < 256
        assert served.workers() == workers
        assert "Traceback" not in served.container.logs().decode()


@pytest.mark.parametrize(
    "beginning",
    [b"POST /models HT", b"POST /models/m/invoke HTTP/1.1\r\nContent-Length: 99\r\n\r\n"],
)
def test_slow_requests_of_a_multi_model_endpoint_delay_no_other(
    docker_engine: docker.DockerClient, image: str, regression: Path, beginning: bytes
) -> None:
    from containers import bind

    mounts = [bind(regression, "/opt/ml/models/m/model", read_only=True)]
    with serving(
        docker_engine, image, regression, environment=MULTI_MODEL, mounts=mounts
    ) as served:
        wanted = b'{"model_name": "m", "url": "/opt/ml/models/m/model"}'
        assert served.request("POST", "/models", wanted).status == 200
        address = address_of(served)
        with SlowClients(address, 300, beginning, b"x"):
            require_prompt(observe(address, "/models/m/invoke", WATCHED_SECONDS))
