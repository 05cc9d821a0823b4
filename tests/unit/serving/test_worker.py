"""A real server in a separate process, with a predictor that waits for a file."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tabular.serving.server import THREADS
from tabular.serving.thread_pools import CONTROL_THREADS

SCRIPT = """
import sys, time
from pathlib import Path
import numpy
from tabular.contract.endpoint import Endpoint
from tabular.data.columns import Columns
from tabular.serving.app import create_app
from tabular.algorithms.predictor import Meaning
from tabular.algorithms.predictor import Predictor
from tabular.serving.server import run
port, gate = int(sys.argv[1]), Path(sys.argv[2])
class Waits(Predictor):
    columns, meaning, engine = Columns(1), Meaning(""), "waits"
    def predict(self, rows):
        if rows[0, 0]:
            with gate.with_suffix(".held").open("a") as held: held.write("x")
            while not gate.exists(): time.sleep(0.01)
        return rows[:, 0]
sizes = {"request_bytes": int(sys.argv[4])} if sys.argv[4] != "0" else {}
endpoint = Endpoint(Path(), port=port, timeout_seconds=int(sys.argv[3]), **sizes)
run(lambda: create_app(endpoint, Waits()), endpoint)
"""
AT_ONCE, HELD = "0", "1"
REQUEST = (
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\n"
)


class Served:
    """The server, and its clients."""

    def __init__(self, port: int, gate: Path, process: subprocess.Popen[bytes]) -> None:
        self.port, self.gate, self.process = port, gate, process

    def request(self, method: str, path: str, body: str | None = None, wait: float = 5) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait)
        try:
            connection.request(method, path, body, {"Content-Type": "text/csv"})
            return connection.getresponse().status
        finally:
            connection.close()

    def hold(self, count: int) -> list[threading.Thread]:
        """Send requests that wait; return when all threads are occupied."""
        threads = [
            threading.Thread(target=self.request, args=("POST", "/invocations", HELD, 30))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        held = self.gate.with_suffix(".held")
        deadline = time.monotonic() + 10
        while not held.exists() or held.stat().st_size < min(count, THREADS):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return threads

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)


@pytest.fixture
def timeout() -> int:
    return 60


@pytest.fixture
def request_bytes() -> int:
    """Memory for requests in bytes; 0 for the default."""
    return 0


@pytest.fixture
def served(
    tmp_path: Path,
    free_port: int,
    timeout: int,
    request_bytes: int,
    start: Callable[..., subprocess.Popen[bytes]],
) -> Served:
    gate = tmp_path / "gate"
    process = start(
        ["-c", SCRIPT, str(free_port), str(gate), str(timeout), str(request_bytes)], os.environ
    )
    return Served(free_port, gate, process)


def test_ping_is_answered_while_all_prediction_threads_are_held(served: Served) -> None:
    threads = served.hold(THREADS * 3)
    assert served.request("GET", "/ping", wait=1) == 200
    served.gate.touch()
    for thread in threads:
        thread.join()


def test_waiting_predictions_are_answered_in_the_end(served: Served) -> None:
    threads = served.hold(THREADS * 3)
    served.gate.touch()
    for thread in threads:
        thread.join(10)
    assert served.gate.with_suffix(".held").stat().st_size == THREADS * 3


def test_idle_connections_hold_no_thread(served: Served) -> None:
    idle = [served.connect() for _ in range((THREADS + CONTROL_THREADS) * 4)]
    assert served.request("POST", "/invocations", AT_ONCE, wait=4) == 200
    for connection in idle:
        connection.close()


def test_kept_alive_connections_hold_no_thread(served: Served) -> None:
    kept = [http.client.HTTPConnection("127.0.0.1", served.port, timeout=5) for _ in range(20)]
    for connection in kept:
        connection.request("POST", "/invocations", AT_ONCE, {"Content-Type": "text/csv"})
        connection.getresponse().read()
    assert served.request("POST", "/invocations", AT_ONCE, wait=4) == 200
    for connection in kept:
        connection.close()


def test_connection_is_kept_for_both_pools(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    for _ in range(3):
        connection.request("POST", "/invocations", AT_ONCE, {"Content-Type": "text/csv"})
        assert connection.getresponse().read() == b"0.0\n"
        connection.request("GET", "/ping")
        assert connection.getresponse().read() == b""
    connection.close()


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall((REQUEST + b"0") * 2 + b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.settimeout(5)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            chunk = connection.recv(65536)
            assert chunk, received
            received += chunk
    assert received.count(b"0.0\n") == 2


def test_request_that_arrives_byte_by_byte_is_answered(served: Served) -> None:
    with served.connect() as connection:
        for byte in REQUEST + b"0":
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        connection.settimeout(5)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("timeout", [1])
def test_stalled_clients_occupy_no_threads(served: Served) -> None:
    stalled = [served.connect() for _ in range(THREADS)]
    for connection in stalled:
        connection.sendall(REQUEST[:40])
    assert served.request("POST", "/invocations", AT_ONCE, wait=15) == 200
    for connection in stalled:
        connection.close()


def test_slow_clients_hold_no_thread_of_predictions(served: Served) -> None:
    slow = [served.connect() for _ in range(THREADS * 4)]
    for connection in slow:
        connection.sendall(REQUEST)  # without its body
    assert served.request("POST", "/invocations", AT_ONCE, wait=4) == 200
    for connection in slow:
        connection.sendall(b"0")
        connection.settimeout(5)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.close()


@pytest.mark.parametrize("size", [70_000, 300_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_large_body_is_read_whole_in_parts_of_any_size(
    served: Served, size: int, chunked: bool
) -> None:
    source = random.Random(size)
    body = b"0\n" * (size // 2)
    with served.connect() as connection:
        connection.settimeout(20)
        if chunked:
            head = REQUEST.replace(b"Content-Length: 1", b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            head = REQUEST.replace(b": 1\r\n\r\n", b": %d\r\n\r\n" % len(body))
        connection.sendall(head)
        sent = 0
        while sent < len(body):
            piece = body[sent : sent + source.randrange(1, size)]
            connection.sendall(piece)
            sent += len(piece)
            time.sleep(source.choice((0, 0.01, 0.05)))
        received = b""
        while received.count(b"0.0\n") < size // 2:
            part = connection.recv(1 << 20)
            assert part, received[:200]
            received += part


def test_large_bodies_on_a_kept_connection_do_not_stall(served: Served) -> None:
    """A socket with a low-water mark may become readable before the mark is reached."""
    source = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    for _ in range(150):
        body = b"0\n" * source.randrange(33_000, 100_000)
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        assert connection.getresponse().read().count(b"0.0\n") == len(body) // 2
    connection.close()


@pytest.mark.parametrize("request_bytes", [16 << 20])
def test_more_large_bodies_than_fit_into_memory_are_all_answered(served: Served) -> None:
    body = b"0\n" * 150_000
    head = REQUEST.replace(b": 1\r\n\r\n", b": %d\r\n\r\n" % len(body))
    clients = [served.connect() for _ in range(20)]
    for at in range(0, len(body), 30_000):
        for client in clients:
            client.sendall(b"" if at else head)
            client.sendall(body[at : at + 30_000])
        time.sleep(0.05)
    for client in clients:
        client.settimeout(10)
        received = b""
        while received.count(b"0.0\n") < 150_000:
            part = client.recv(1 << 20)
            assert part, received[:200]
            received += part
        client.close()


def test_length_of_five_thousand_digits_does_not_stop_the_server(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(REQUEST.replace(b": 1\r\n\r\n", b": " + b"1" * 5000 + b"\r\n\r\n"))
        assert served.request("POST", "/invocations", AT_ONCE, wait=4) == 200


def test_request_in_flight_is_finished_after_sigterm(served: Served) -> None:
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(served.request("POST", "/invocations", HELD, 30))
    )
    thread.start()
    while not served.gate.with_suffix(".held").exists():
        time.sleep(0.01)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    served.gate.touch()
    thread.join(10)
    assert statuses == [200]


@pytest.mark.parametrize("keep", [True, False], ids=["kept connection", "new connections"])
def test_no_request_is_lost_when_sigterm_comes_under_load(served: Served, keep: bool) -> None:
    statuses: list[int] = []
    began = threading.Barrier(17)

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        began.wait()
        while True:
            try:
                if connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                return
            try:
                connection.request("POST", "/invocations", AT_ONCE, {"Content-Type": "text/csv"})
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            except (OSError, http.client.HTTPException):
                statuses.append(0)
                connection.close()
            if not keep:
                connection.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    began.wait()
    time.sleep(0.5)
    served.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert set(statuses) == {200}


def test_request_after_sigterm_on_an_accepted_connection_is_answered(
    served: Served,
) -> None:
    assert served.request("GET", "/ping") == 200
    with served.connect() as connection:
        time.sleep(0.2)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(REQUEST + b"0")
        connection.settimeout(5)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_sigterm_ends_the_server_with_0(served: Served) -> None:
    # Before its first response, a worker may not have its signal handlers yet.
    assert served.request("GET", "/ping") == 200
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(10) == 0
