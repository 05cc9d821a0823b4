"""How handlers are called: one at a time, in one thread, and the server always continues."""

from __future__ import annotations

import itertools
import json
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from containers import ML, Answer, Served, bind, ended, exchange, serving, wait_until
from serving_scripts import lay_out_code

pytestmark = pytest.mark.timeout(300)

LOCKED = {"read_only": True, "tmpfs": {"/tmp": ""}}
REQUESTS, CLIENTS = 400, 8
# The script does everything that requires one call at a time, in the main thread, in which model_fn
# runs too.
SCRIPT = """
import asyncio, json, os, signal, sqlite3, threading, time
import flask

request = None


def model_fn(model_dir):
    database = sqlite3.connect(":memory:")
    database.execute("create table calls (number integer)")
    return database


def input_fn(input_data, content_type):
    global request
    request = json.loads(input_data)
    return request


def predict_fn(data, model):
    model.execute("insert into calls values (1)")
    time.sleep(data.get("sleep", 0.001))
    end = time.monotonic() + data.get("busy", 0)
    while time.monotonic() < end:
        pass
    return getattr(Kinds, data.get("kind", "plain"))(data)


class Kinds:
    plain = staticmethod(lambda data: "answered")

    def alarm(data):
        def ring(*_):
            raise TimeoutError

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            time.sleep(20)
        except TimeoutError:
            return "stopped by the alarm"

    def late_alarm(data):
        def ring(*_):
            raise TimeoutError("late")

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        return "answered before the alarm"

    def own_loop(data):
        async def main():
            await asyncio.sleep(0.01)
            return "ran an event loop"

        return asyncio.run(main())

    def cancelled(data):
        raise asyncio.CancelledError

    def interrupted(data):
        raise KeyboardInterrupt

    def ended(data):
        raise SystemExit(7)

    def recursive(data):
        return Kinds.recursive(data)

    def hang(data):
        threading.Event().wait()


def output_fn(prediction, accept):
    body = [request["caller"], prediction, os.getpid()]

    def chunks():
        for value in body:
            time.sleep(0.0005)
            yield f"{json.dumps(value if value is not body[0] else request['caller'])}\\n"

    return flask.Response(chunks())
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out_code(tmp_path_factory.mktemp("script"), {"inference.py": SCRIPT})


@pytest.fixture(scope="module")
def served(docker_engine: docker.DockerClient, image: str, artifact: Path) -> Iterator[Served]:
    """Two workers."""
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with serving(docker_engine, image, artifact, environment=environment, **LOCKED) as endpoint:
        yield endpoint


def ask(served: Served, caller: int = 0, **sent: object) -> Answer:
    return served.invoke(
        json.dumps({"caller": caller, **sent}).encode(), Content_Type="application/json"
    )


def told(answer: Answer) -> list[object]:
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def test_global_between_handlers_keeps_the_value_of_its_request(served: Served) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda caller: told(ask(served, caller)), range(REQUESTS)))
    assert [answer[0] for answer in answers] == [*range(REQUESTS)]
    assert len({answer[2] for answer in answers}) == 2


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("alarm", "stopped by the alarm"),
        ("late_alarm", "answered before the alarm"),
        ("own_loop", "ran an event loop"),
    ],
)
def test_handlers_may_do_what_only_the_main_thread_may(
    served: Served, kind: str, answer: str
) -> None:
    assert [told(ask(served, kind=kind))[1] for _ in range(4)] == [answer] * 4
    time.sleep(0.3)
    assert told(ask(served))[1] == "answered"


@pytest.mark.parametrize("kind", ["cancelled", "interrupted", "ended", "recursive"])
def test_exception_of_a_handler_fails_only_its_request(served: Served, kind: str) -> None:
    before = sorted(served.workers())
    answer = ask(served, kind=kind)
    assert (answer.status, answer.body.startswith(b"predict_fn raised")) == (500, True)
    assert told(ask(served))[1] == "answered"
    assert sorted(served.workers()) == before


@pytest.mark.parametrize("how", ["sleep", "busy"])
def test_ping_does_not_wait_for_handlers_that_compute(served: Served, how: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, served, **{how: 3}) for _ in range(4)]
        time.sleep(0.5)
        seconds = []
        for _ in range(20):
            begun = time.monotonic()
            assert served.healthy()
            seconds.append(time.monotonic() - begun)
        # Longer than the timeout, but still answered.
        assert [told(future.result())[1] for future in asked] == ["answered"] * 4
    assert statistics.median(seconds) < 0.2, seconds


def test_busy_worker_leaves_connections_to_an_idle_worker(served: Served) -> None:
    def seconds(_: int) -> float:
        begun = time.monotonic()
        told(ask(served))
        return time.monotonic() - begun

    with ThreadPoolExecutor(11) as pool:
        busy = pool.submit(ask, served, sleep=4)
        time.sleep(0.3)
        waited = list(pool.map(seconds, range(10)))
        told(busy.result())
    # Half of them would wait for the handler that sleeps.
    assert sum(each > 2 for each in waited) <= 2, waited


def test_sigterm_is_handled_while_a_handler_runs_c_code(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    script = """
    import ctypes
    def model_fn(model_dir):
        return 1
    def transform_fn(model, input_data, content_type, accept):
        ctypes.CDLL(None).system(b"sleep 5")  # goes on after a signal
        return "slept"
    """
    lay_out_code(tmp_path, {"inference.py": script})
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with (
        serving(docker_engine, image, tmp_path, environment=environment, **LOCKED) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(served.invoke, b"x")
        time.sleep(0.5)
        served.container.kill(signal.SIGTERM)
        time.sleep(2)
        assert not served.healthy()
        assert not asked.done()
        assert asked.result().body == b"slept"
        assert ended(served.container).exit_code == 0


def test_sigterm_lets_running_and_waiting_handlers_finish(
    docker_engine: docker.DockerClient, image: str, artifact: Path
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with (
        serving(docker_engine, image, artifact, environment=environment, **LOCKED) as served,
        ThreadPoolExecutor(7) as pool,
    ):
        kept = served.connect()
        assert exchange(kept, "GET", "/ping").status == 200
        asked = [pool.submit(ask, served, number, sleep=0.5) for number in range(6)]
        time.sleep(0.7)
        served.container.kill(signal.SIGTERM)
        assert [told(future.result())[0] for future in asked] == [*range(6)]
        assert ended(served.container).exit_code == 0


def test_handler_that_hangs_ends_within_the_grace_period(
    docker_engine: docker.DockerClient, image: str, artifact: Path
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with (
        serving(docker_engine, image, artifact, environment=environment, **LOCKED) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        hanging = pool.submit(ask, served, kind="hang")
        time.sleep(0.5)
        begun = time.monotonic()
        served.container.kill(signal.SIGTERM)
        # SageMaker sends SIGKILL 30 s after SIGTERM.
        assert ended(served.container, 30).exit_code == 0
        assert time.monotonic() - begun < 29
        assert hanging.exception() is not None


@pytest.mark.parametrize(("threads", "least", "most"), [("1", 2.0, 20.0), ("4", 0.5, 1.9)])
def test_script_threads_is_the_number_of_handlers_at_the_same_time(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path: Path,
    threads: str,
    least: float,
    most: float,
) -> None:
    script = """
    import time
    def model_fn(model_dir):
        return 1
    def transform_fn(model, input_data, content_type, accept):
        time.sleep(0.5)
        return "slept"
    """
    lay_out_code(tmp_path, {"inference.py": script})
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "TABULAR_SCRIPT_THREADS": threads}
    with (
        serving(docker_engine, image, tmp_path, environment=environment, **LOCKED) as served,
        ThreadPoolExecutor(4) as pool,
    ):
        begun = time.monotonic()
        assert [each.body for each in pool.map(served.invoke, [b"x"] * 4)] == [b"slept"] * 4
        assert least < time.monotonic() - begun < most


@pytest.mark.parametrize(
    ("opened", "left"),
    [
        ("sqlite3.connect('/tmp/rows.db')", "open files"),
        ("socket.socketpair()", "connections"),
    ],
)
def test_model_that_holds_a_connection_is_loaded_in_each_worker(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, opened: str, left: str
) -> None:
    script = f"""
    import os, socket, sqlite3
    def model_fn(model_dir):
        return os.getpid(), {opened}
    def transform_fn(model, input_data, content_type, accept):
        return str(model[0] == os.getpid())
    """
    lay_out_code(tmp_path, {"inference.py": script})
    with serving(docker_engine, image, tmp_path, **LOCKED) as served:
        assert served.invoke(b"x").body == b"True"
        assert f"has left {left}, which" in served.container.logs().decode()


def test_each_model_of_an_endpoint_has_a_thread_until_it_is_unloaded(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    script = """
    import json, sqlite3, threading, time
    def model_fn(model_dir):
        return sqlite3.connect(":memory:")
    def transform_fn(model, input_data, content_type, accept):
        begun = time.monotonic()
        model.execute("select 1")
        time.sleep(0.1)
        return json.dumps([begun, time.monotonic(), threading.get_ident()])
    """
    for name in ("ann", "bob"):
        lay_out_code(tmp_path / name / "model", {"inference.py": script})
    with (
        serving(
            docker_engine,
            image,
            tmp_path,
            environment={"SAGEMAKER_MULTI_MODEL": "true"},
            mounts=[bind(tmp_path, f"{ML}/models", read_only=True)],
            **LOCKED,
        ) as served,
        ThreadPoolExecutor(8) as pool,
    ):

        def script_threads() -> int:
            command = ["sh", "-c", "cat /proc/*/task/*/comm | grep -c '^script$'"]
            return int(served.container.exec_run(command).output)

        def invoke(name: str) -> tuple[str, float, float, int]:
            answer = served.request("POST", f"/models/{name}/invoke", b"1")
            assert answer.status == 200, answer.body
            begun, end, thread = json.loads(answer.body)
            return name, begun, end, thread

        for name in ("ann", "bob"):
            url = json.dumps({"model_name": name, "url": f"{ML}/models/{name}/model"}).encode()
            assert served.request("POST", "/models", url).status == 200
        answers = list(pool.map(invoke, ["ann", "bob"] * 8))
        assert len({(name, thread) for name, _, _, thread in answers}) == 2
        of_two_models = 0
        for one, other in itertools.combinations(answers, 2):
            together = one[1] < other[2] and other[1] < one[2]
            assert not (together and one[0] == other[0])
            of_two_models += together
        assert of_two_models > 0
        for name in ("ann", "bob"):
            assert served.request("DELETE", f"/models/{name}").status == 200
        assert script_threads() == 0


@pytest.mark.parametrize("how", ["sleep", "busy"])
def test_handler_that_hangs_is_ended_and_the_worker_comes_back(
    docker_engine: docker.DockerClient, image: str, artifact: Path, how: str
) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"}
    with serving(docker_engine, image, artifact, environment=environment, **LOCKED) as served:
        before = served.workers()
        with ThreadPoolExecutor(2) as pool:
            begun = time.monotonic()
            hanging = pool.submit(ask, served, **{how: 600})
            time.sleep(0.5)
            waiting = pool.submit(ask, served)
            answer = hanging.result()
            assert (answer.status, b"ran for longer than" in answer.body) == (504, True)
            assert 2 <= time.monotonic() - begun < 6
            assert waiting.result().status == 503
        wait_until(lambda: served.workers() and served.workers() != before, "a new worker serves")
        wait_until(lambda: ask(served).status == 200, "the new worker answers")
        assert told(ask(served, sleep=1))[1] == "answered"
        assert b"a handler has run for longer than" in served.container.logs()
