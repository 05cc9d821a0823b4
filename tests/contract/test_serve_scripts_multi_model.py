"""Models with scripts on one multi-model endpoint, in the container."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import docker
import pytest
from containers import Served, bind, serving
from many_models import Client, make_models, unload_all, worker_bytes
from serving_scripts import in_image, lay_out_code

from tabular.contract.machine import MEBIBYTE

pytestmark = pytest.mark.timeout(300)

LOAD_SECONDS = 8
# Every model has the same names of modules, and its pickle names a class of its module.
INFERENCE = """
import os, joblib
import helpers

def model_fn(model_dir):
    model = joblib.load(os.path.join(model_dir, "model.joblib"))
    model.ballast = bytearray(4 << 20)
    return model

def predict_fn(input_data, model):
    import later
    return [f"{helpers.NAME} {later.NAME} {model.name()} {len(input_data)}"]
"""
HELPERS = """
NAME = {name!r}
class Model:
    def name(self):
        return NAME
"""
SAVE = """
import sys, joblib
sys.path.insert(0, sys.argv[1] + "/code")
import helpers
joblib.dump(helpers.Model(), sys.argv[1] + "/model.joblib")
"""
NAMES = ("ann", "bob")


@pytest.fixture(scope="module")
def models(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two with scripts, one without, and some that can't be loaded."""
    folder = make_models(docker_engine, image, tmp_path_factory.mktemp("scripts"), 1)
    for name in NAMES:
        model = lay_out_code(
            folder / name / "model",
            {
                "inference.py": INFERENCE,
                "helpers.py": HELPERS.format(name=name),
                "later.py": f"NAME = 'late {name}'\n",
            },
        )
        in_image(docker_engine, image, model.parent, ["-c", SAVE, "/made/model"])
    raises = "def model_fn(model_dir):\n    raise ValueError('no weights')\n"
    lay_out_code(folder / "raises" / "model", {"inference.py": raises})
    needs = {"inference.py": raises, "requirements.txt": "numpy\nno-such-package>=2\n"}
    lay_out_code(folder / "needs" / "model", needs)
    return folder


@pytest.fixture(scope="module")
def endpoint(docker_engine: docker.DockerClient, image: str, models: Path) -> Iterator[Served]:
    with serving(
        docker_engine,
        image,
        models,
        environment={"SAGEMAKER_MULTI_MODEL": "true"},
        mounts=[bind(models, "/opt/ml/models", read_only=True)],
        read_only=True,
        tmpfs={"/tmp": ""},
    ) as served:
        yield served


@pytest.fixture
def client(endpoint: Served) -> Iterator[Client]:
    yield Client(endpoint)
    unload_all(endpoint)


def expected(name: str) -> list[str]:
    return [f"{name} late {name} {name} 1"]


def test_scripts_with_equal_module_names_are_separate(client: Client) -> None:
    for name in (*NAMES, "m0"):
        assert client.load(name) == 200
    for name in NAMES * 2:
        answer = client.invoke(name)
        assert (answer.status, json.loads(answer.body)) == (200, expected(name))
    assert round(json.loads(client.invoke("m0").body)[0]) == 0
    assert client.load("ann") == 409
    assert client.unload("ann") == 200
    assert client.invoke("ann").status == 404
    assert json.loads(client.invoke("bob").body) == expected("bob")


def test_scripts_answer_correctly_under_load_during_loads_and_unloads(
    endpoint: Served, client: Client
) -> None:
    over, wrong, right = Event(), [], []

    def invoke(name: str) -> None:
        asks = Client(endpoint)
        while not over.is_set():
            answer = asks.invoke(name)
            if answer.status == 200:
                right.append(name)
                if json.loads(answer.body) != expected(name):
                    wrong.append(f"{name}: {answer.body!r}")
            elif answer.status != 404:
                wrong.append(f"{name}: {answer.status} {answer.body!r}")

    def come_and_go(name: str) -> None:
        asks = Client(endpoint)
        while not over.is_set():
            if (loaded := asks.load(name)) != 200:
                wrong.append(f"load of {name}: {loaded}")
            time.sleep(0.2)
            if (unloaded := asks.unload(name)) != 200:
                wrong.append(f"unload of {name}: {unloaded}")

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(invoke, name) for name in NAMES * 2]
        running += [pool.submit(come_and_go, name) for name in NAMES]
        time.sleep(LOAD_SECONDS)
        over.set()
        for future in running:
            future.result()
    assert wrong == []
    assert {*right} == {*NAMES}


def test_unloaded_models_free_all_memory(endpoint: Served, client: Client) -> None:
    def round_trip() -> None:
        assert [client.load(name) for name in NAMES] == [200, 200]
        assert [client.invoke(name).status for name in NAMES] == [200, 200]
        assert [client.unload(name) for name in NAMES] == [200, 200]

    for _ in range(5):
        round_trip()
    before = worker_bytes(endpoint)
    for _ in range(20):  # with 8 MiB each time
        round_trip()
    assert worker_bytes(endpoint) < before + 8 * MEBIBYTE
    assert b"still holds it" not in endpoint.container.logs()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "ValueError: no weights (inference.py, line 2)"),
        ("needs", "asks for no-such-package>=2, which is not installed"),
    ],
)
def test_model_that_cannot_be_loaded_is_500_with_the_reason(
    client: Client, name: str, words: str
) -> None:
    wanted = json.dumps({"model_name": name, "url": f"/opt/ml/models/{name}/model"}).encode()
    answer = client.ask("POST", "/models", wanted)
    assert (answer.status, words in json.loads(answer.body)["message"]) == (500, True)
    assert client.load("ann") == 200


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"[[1,", {"Content-Type": "application/json"}),
        (406, b"1,2", {"Content-Type": "text/csv", "Accept": "image/png"}),
        (413, b"1," * (4 << 20), {"Content-Type": "text/csv"}),
        (415, b"1,2", {"Content-Type": "image/png"}),
    ],
)
def test_refusals_are_json(
    endpoint: Served, client: Client, status: int, body: bytes, headers: dict[str, str]
) -> None:
    client.load("ann")
    answer = endpoint.request("POST", "/models/ann/invoke", body, headers)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, status)


def test_script_of_the_endpoint_serves_models_without_their_own(
    docker_engine: docker.DockerClient, image: str, models: Path, tmp_path: Path
) -> None:
    shared = "def transform_fn(model, input_data, content_type, accept):\n    return 'shared'\n"
    lay_out_code(tmp_path, {"served.py": "def model_fn(model_dir):\n    return 1\n" + shared})
    with serving(
        docker_engine,
        image,
        models,
        environment={
            "SAGEMAKER_MULTI_MODEL": "true",
            "SAGEMAKER_PROGRAM": "served.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/shared",
        },
        mounts=[
            bind(models, "/opt/ml/models", read_only=True),
            bind(tmp_path / "code", "/shared", read_only=True),
        ],
    ) as served:
        client = Client(served)
        assert [client.load("m0"), client.load("ann")] == [200, 200]
        assert client.invoke("m0").body == b"shared"
        assert json.loads(client.invoke("ann").body) == expected("ann")
