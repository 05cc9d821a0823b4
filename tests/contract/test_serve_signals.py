"""``serve`` under SIGTERM, under load, with bad clients, and with a dead worker."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
import xgboost
from containers import Answer, Served, bind, ended, exchange, serving, started, wait_until
from predictions import BODY, as_csv, scores

pytestmark = pytest.mark.timeout(300)

GRACE_SECONDS = 30  # between SIGTERM and SIGKILL in hosting
PROMPT_SECONDS = 5
PING_SECONDS = 0.2  # the aim of this image; SageMaker allows 2 s
THREADS = 4  # prediction threads in each worker
FEATURES = 20


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 2,000 trees of depth 8: 5 MB take seconds to predict."""
    source = random.Random(0)
    rows = [[source.random() for _ in range(FEATURES)] for _ in range(2000)]
    labels = [source.random() for _ in rows]
    data = xgboost.QuantileDMatrix(rows, label=labels, max_bin=16)
    booster = xgboost.train({"max_depth": 8, "max_bin": 16, "eta": 0.01, "nthread": 1}, data, 2000)
    folder = tmp_path_factory.mktemp("slow")
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    return folder


def batch(megabytes: float) -> bytes:
    source = random.Random(1)
    rows = [",".join(f"{source.random():.3f}" for _ in range(FEATURES)) for _ in range(1000)]
    block = ("\n".join(rows) + "\n").encode()
    return block * max(1, round(megabytes * 1e6 / len(block)))


@contextmanager
def in_flight(served: Served, body: bytes, requests: int) -> Iterator[list[Future[Answer]]]:
    """Send requests in parallel, and continue when the server has received all."""
    sent = threading.Barrier(requests + 1)

    def invoke() -> Answer:
        connection = served.connect()
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        sent.wait()
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    with ThreadPoolExecutor(requests) as clients:
        futures = [clients.submit(invoke) for _ in range(requests)]
        sent.wait(60)
        time.sleep(0.5)
        yield futures


def seconds_to_stop(served: Served) -> float:
    began = time.monotonic()
    served.container.stop(timeout=GRACE_SECONDS)
    return time.monotonic() - began


def test_sigterm_lets_requests_in_flight_finish(
    docker_engine: docker.DockerClient, image: str, slow_model: Path
) -> None:
    with serving(docker_engine, image, slow_model) as served:
        with in_flight(served, batch(1), requests=8) as futures:
            assert not all(future.done() for future in futures), "the requests are too quick"
            seconds = seconds_to_stop(served)
            statuses = [future.result().status for future in futures]
        assert statuses == [200] * 8
        assert ended(served.container).exit_code == 0
        assert seconds < GRACE_SECONDS


def test_sigterm_when_idle_ends_at_once_with_exit_code_0(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(docker_engine, image, regression) as served:
        seconds = seconds_to_stop(served)
        end = ended(served.container)
    assert end.exit_code == 0
    assert seconds < 3
    assert "Traceback" not in end.stderr


def test_sigterm_with_kept_alive_connections_open_ends_at_once(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(docker_engine, image, regression) as served:
        connections = [served.connect() for _ in range(4)]
        for connection in connections:
            assert exchange(connection, "GET", "/ping").status == 200
        seconds = seconds_to_stop(served)
        for connection in connections:
            connection.close()
        assert ended(served.container).exit_code == 0
    assert seconds < PROMPT_SECONDS


def test_sigterm_with_silent_connections_open_ends_at_once(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(docker_engine, image, regression) as served:
        silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(4)]
        time.sleep(0.3)
        seconds = seconds_to_stop(served)
        for connection in silent:
            connection.close()
        assert ended(served.container).exit_code == 0
    assert seconds < PROMPT_SECONDS


def test_sigterm_during_start_ends_at_once(
    docker_engine: docker.DockerClient, image: str, slow_model: Path
) -> None:
    mounts = [bind(slow_model, "/opt/ml/model", read_only=True)]
    with started(docker_engine, image, "serve", mounts=mounts) as container:
        wait_until(
            lambda: container.exec_run(["grep", "-q", "numpy", "/proc/1/maps"]).exit_code == 0,
            "the libraries are being loaded",
        )
        began = time.monotonic()
        container.stop(timeout=GRACE_SECONDS)
        seconds = time.monotonic() - began
        assert ended(container).exit_code == 0
    assert seconds < 5


def half_sent(served: Served) -> socket.socket:
    """Open a connection and send half of what the head announces."""
    client = socket.create_connection(("127.0.0.1", served.port), timeout=60)
    head = (
        "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {2 * len(BODY)}\r\n\r\n"
    )
    client.sendall(head.encode() + BODY)
    return client


def test_clients_that_disconnect_during_a_body_do_not_affect_others(
    served: Served, regression: Path
) -> None:
    for _ in range(40):
        half_sent(served).close()
    assert [served.invoke(BODY).body for _ in range(10)] == [as_csv(scores(regression))] * 10


def test_clients_that_disconnect_leave_no_traceback_in_the_log(served: Served) -> None:
    half_sent(served).close()
    time.sleep(0.3)
    assert b"Traceback" not in served.container.logs()


def test_client_that_stalls_does_not_delay_others(served: Served) -> None:
    with half_sent(served), half_sent(served):
        began = time.monotonic()
        statuses = [served.invoke(BODY).status for _ in range(20)]
        seconds = time.monotonic() - began
    assert statuses == [200] * 20
    assert seconds < 5


def test_clients_that_stall_on_every_thread_leave_ping_healthy(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(docker_engine, image, regression, nano_cpus=1_000_000_000) as served:
        stalled = [half_sent(served) for _ in range(3 * THREADS)]
        time.sleep(0.3)
        times = pings(served, 5)
        for client in stalled:
            client.close()
    assert max(times) < PING_SECONDS, times


def test_clients_that_stall_lose_their_threads_after_the_timeout(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with serving(docker_engine, image, regression, environment=environment) as served:
        stalled = [half_sent(served) for _ in range(THREADS)]
        time.sleep(0.3)
        began = time.monotonic()
        assert served.invoke(BODY).status == 200
        assert time.monotonic() - began < 6
        for client in stalled:
            client.close()


def pings(served: Served, count: int) -> list[float]:
    """Measure from a process that does nothing else."""
    program = Path(__file__).with_name("ping_times.py")
    output = subprocess.run(
        [sys.executable, program, str(served.port), str(count)],
        check=True,
        capture_output=True,
        timeout=120,
    ).stdout
    times: list[float] = json.loads(output)
    return times


def test_ping_is_answered_within_200_ms_while_every_thread_predicts(
    docker_engine: docker.DockerClient, image: str, slow_model: Path
) -> None:
    # One processor for the container leaves the other to the clients.
    with serving(docker_engine, image, slow_model, nano_cpus=1_000_000_000) as served:
        body = batch(5)
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                try:
                    served.invoke(body)
                except (OSError, http.client.HTTPException):
                    return  # the container is gone

        clients = [threading.Thread(target=load, daemon=True) for _ in range(3 * THREADS)]
        for client in clients:
            client.start()
        time.sleep(1.5)
        times = pings(served, 30)
        over.set()
        served.container.kill()
        for client in clients:
            client.join(30)
    assert max(times) < PING_SECONDS, sorted(times)[-5:]


def test_dead_worker_is_replaced(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with serving(docker_engine, image, regression, environment=environment) as served:
        wait_until(lambda: len(served.workers()) == 2, "2 workers run")
        victim = served.workers()[0]
        served.container.exec_run(["bash", "-c", f"kill -9 {victim}"])
        wait_until(
            lambda: len(served.workers()) == 2 and victim not in served.workers(),
            "the dead worker is replaced",
            10,
        )
        assert [served.invoke(BODY).status for _ in range(20)] == [200] * 20
