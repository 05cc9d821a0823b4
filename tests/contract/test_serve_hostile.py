"""``serve`` with slow, broken and hostile clients: it continues to answer the others."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import docker
import pytest
from containers import Served, serving
from predictions import BODY

pytestmark = pytest.mark.timeout(120)

PING_SECONDS = 1.0
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
WHOLE = HEAD + LENGTH + b"\r\n" + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /ping HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def target(docker_engine: docker.DockerClient, image: str, regression: Path) -> Iterator[Served]:
    """A server with one worker: a client that blocks the worker blocks the server."""
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "5"}
    with serving(docker_engine, image, regression, environment=environment) as server:
        yield server


@contextmanager
def dialled(server: Served, seconds: float = 10) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as client:
        yield client


def answer_to(server: Served, sent: bytes) -> bytes:
    """Send bytes and read until the server disconnects; bytes before a reset count."""
    received = b""
    with dialled(server) as client, suppress(OSError):
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while part := client.recv(1 << 16):
            received += part
    return received


def require_health(server: Served) -> None:
    """Check that the same worker answers ``/ping`` and a prediction fast."""
    begun = time.monotonic()
    assert server.request("GET", "/ping").status == 200
    assert time.monotonic() - begun < PING_SECONDS


@pytest.fixture(autouse=True)
def unharmed(target: Served) -> Iterator[None]:
    """Check after each test that the same worker answers."""
    before = target.workers()
    yield
    require_health(target)
    assert target.invoke(BODY).status == 200
    assert target.workers() == before


REFUSED: dict[str, bytes] = {
    "ten thousand headers": GET + b"".join(b"X-%d: 1\r\n" % i for i in range(10_000)) + b"\r\n",
    "header line of a megabyte": GET + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n",
    "very long URL": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
    "length that is no number": HEAD + b"Content-Length: 1_0\r\n\r\n" + BODY,
    "length with a sign": HEAD + b"Content-Length: +10\r\n\r\n" + BODY,
    "two lengths": HEAD + LENGTH + b"Content-Length: 1\r\n\r\n" + BODY,
    "length beside chunks": HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer encoding": HEAD + b"Transfer-Encoding: x\r\n\r\n" + BODY,
    "length that is too long": HEAD + b"Content-Length: 100000\r\n\r\n" + BODY,
    "length that is huge": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "length of 5,000 digits": HEAD + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n" + BODY,
    "length beyond the limit": HEAD + b"Content-Length: 7000000\r\n\r\n" + BODY,
    "chunk size that is no number": CHUNKED + b"xyz\r\n1,2,3,4\r\n0\r\n\r\n",
    "chunk size that is negative": CHUNKED + b"-5\r\n1,2,3,4\r\n0\r\n\r\n",
    "chunk size that is too large": CHUNKED + b"ffffffffffffffffffff\r\n1,2,3,4\r\n0\r\n\r\n",
    "chunk without its line end": CHUNKED + b"3\r\n1,2,3,4\r\n0\r\n\r\n",
    "chunks that do not end": CHUNKED + b"3\r\n1,2\r\n",
    "chunk size that does not end": CHUNKED + b"0" * 1_000_000,
    "NUL in a header": GET + b"X: a\0b\r\n\r\n",
    "NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in a header's name": GET + b"Content-Length : 5\r\n\r\n",
    "folded header": GET + b"X: a\r\n b\r\n\r\n",
    "unknown method": b"BREW /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "method of rubbish": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/0.9": b"GET /ping\r\n\r\n",
    "HTTP of the future": b"GET /ping HTTP/3.7\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no words": b"\r\n\r\n\r\n\r\n",
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("name", REFUSED)
def test_broken_request_is_refused_or_disconnected(target: Served, name: str) -> None:
    begun = time.monotonic()
    received = answer_to(target, REFUSED[name])
    status = received.split(b" ", 2)[1:2] or [b"4"]
    assert status[0].startswith((b"4", b"501", b"505")), received[:200]
    assert time.monotonic() - begun < 3


def test_bytes_after_the_body_are_another_request(target: Served) -> None:
    received = answer_to(target, HEAD + b"Content-Length: 7\r\n\r\n1,2,3,4,5,6\n1,2\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") <= 2


def test_http_1_0_is_answered_and_disconnected(target: Served) -> None:
    received = answer_to(target, WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert received.split(b" ", 2)[1] == b"200"
    assert b"Connection: close" in received


def test_pipelined_requests_of_both_pools_are_answered_in_order(target: Served) -> None:
    ping = GET + b"\r\n"
    received = answer_to(target, (WHOLE + ping) * 50)
    assert received.count(b"HTTP/1.1 200 OK") == 100


def test_100_continue_is_sent_before_the_body(target: Served) -> None:
    with dialled(target) as client:
        client.sendall(HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(1 << 10).startswith(b"HTTP/1.1 100 ")
        client.sendall(BODY)
        assert client.recv(1 << 10).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [HEAD[:20], HEAD, WHOLE[:-20], CHUNKED + b"5\r\n1,"])
def test_clients_that_disconnect_early_leave_no_connection(target: Served, sent: bytes) -> None:
    for _ in range(100):
        with dialled(target) as client:
            client.sendall(sent)


def test_clients_that_disconnect_during_their_answer_leave_no_connection(target: Served) -> None:
    body = b"1,2,3,4\n" * 100_000  # the answer is larger than what sockets hold
    for _ in range(5):
        with dialled(target) as client:
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            client.recv(10)


@pytest.mark.parametrize("part", [b"GET /ping HT", HEAD, HEAD + LENGTH + b"\r\n", CHUNKED])
def test_slow_clients_do_not_delay_ping(target: Served, part: bytes) -> None:
    """50 clients, more than there are threads, send a byte per second."""
    with ExitStack() as stack:
        clients = [stack.enter_context(dialled(target)) for _ in range(50)]
        for client in clients:
            client.sendall(part)
        for _ in range(3):
            for client in clients:
                with suppress(OSError):  # a closed connection is valid too
                    client.send(b"1")
            require_health(target)
            time.sleep(1)


def test_client_that_reads_nothing_does_not_delay_others(target: Served) -> None:
    body = b"1,2,3,4\n" * 500_000
    done = threading.Event()

    def stall() -> None:
        with dialled(target) as client, suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            done.wait(8)

    threads = [threading.Thread(target=stall) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        require_health(target)
        assert target.invoke(BODY).status == 200
    finally:
        done.set()
        for thread in threads:
            thread.join()
