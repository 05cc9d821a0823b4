"""A multi-model endpoint in its container: load, invoke and unload models."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import docker
import pytest
from containers import Served, bind, ended, serving
from many_models import (
    CSV,
    ROW,
    Client,
    churn,
    load_all,
    make_models,
    unload_all,
    worker_bytes,
)

from tabular.contract.machine import MEBIBYTE

pytestmark = pytest.mark.timeout(300)

ENVIRONMENT = {"SAGEMAKER_MULTI_MODEL": "true"}
MODELS = 200
CHURN_SECONDS = 8
# The difference of Python's and glibc's pools between two measurements; 200 models take 20 MiB.
POOLS_BYTES = 8 * MEBIBYTE


@pytest.fixture(scope="module")
def models(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_models(docker_engine, image, tmp_path_factory.mktemp("many"), MODELS)


@pytest.fixture(scope="module")
def endpoint(docker_engine: docker.DockerClient, image: str, models: Path) -> Iterator[Served]:
    """An endpoint with only ``/tmp`` writable."""
    with serving(
        docker_engine,
        image,
        models,
        environment=ENVIRONMENT,
        mounts=[bind(models, "/opt/ml/models", read_only=True)],
        read_only=True,
        tmpfs={"/tmp": ""},
    ) as served:
        yield served


@pytest.fixture
def client(endpoint: Served) -> Iterator[Client]:
    yield Client(endpoint)
    unload_all(endpoint)


def test_ping_is_healthy_without_models(client: Client) -> None:
    answer = client.ask("GET", "/ping")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "Healthy"})


def test_one_process_serves(endpoint: Served) -> None:
    assert len(endpoint.workers()) == 1


def test_model_is_loaded_invoked_described_listed_and_unloaded(client: Client) -> None:
    assert client.load("m5") == 200
    assert round(json.loads(client.invoke("m5").body)[0]) == 5
    told = {"modelName": "m5", "modelUrl": "/opt/ml/models/m5/model"}
    assert json.loads(client.ask("GET", "/models").body) == {"models": [told]}
    described = json.loads(client.ask("GET", "/models/m5").body)
    assert {**described, **told} == described
    assert client.load("m5") == 409
    assert client.unload("m5") == 200
    assert [client.unload("m5"), client.invoke("m5").status] == [404, 404]


def test_model_in_the_folder_of_one_model_is_loaded(
    docker_engine: docker.DockerClient, image: str, models: Path
) -> None:
    mounts = [bind(models / "m7" / "model", "/opt/ml/model", read_only=True)]
    with serving(docker_engine, image, models, environment=ENVIRONMENT, mounts=mounts) as served:
        client = Client(served)
        wanted = json.dumps({"model_name": "m7", "url": "/opt/ml/model"}).encode()
        assert client.ask("POST", "/models", wanted).status == 200
        assert round(json.loads(client.invoke("m7").body)[0]) == 7


def test_folder_outside_is_refused(client: Client) -> None:
    wanted = {"model_name": "m", "url": "/opt/ml/models/../../../etc"}
    answer = client.ask("POST", "/models", json.dumps(wanted).encode())
    assert (answer.status, json.loads(answer.body)["type"]) == (400, "BadRequestException")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"1,2", {}),
        (406, ROW, {"Accept": "image/png"}),
        (413, b"1," * (4 << 20), {}),
        (415, ROW, {"Content-Type": "image/png"}),
    ],
)
def test_refusals_are_json(
    endpoint: Served, client: Client, status: int, body: bytes, headers: dict[str, str]
) -> None:
    client.load("m0")
    answer = endpoint.request("POST", "/models/m0/invoke", body, {**CSV, **headers})
    assert (answer.status, json.loads(answer.body)["code"]) == (status, status)


def test_random_loads_and_unloads_answer_correctly_and_free_all_memory(
    endpoint: Served, client: Client
) -> None:
    load_all(endpoint, MODELS)  # so that pools have their largest size
    churn(endpoint, MODELS, 2)
    unload_all(endpoint)
    before = worker_bytes(endpoint)
    assert load_all(endpoint, MODELS) == {200: MODELS}
    seen = churn(endpoint, MODELS, CHURN_SECONDS)
    unload_all(endpoint)
    assert seen.wrong == []
    assert max(seen.pings) < 2
    assert {kind for kind, status in seen.answers if status == 200} == {"invoke", "load", "unload"}
    assert worker_bytes(endpoint) < before + POOLS_BYTES


@pytest.fixture(scope="module")
def large_models(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Thirty models of 1 MB, which take 5 MB each, and 15 while they are loaded."""
    folder = make_models(
        docker_engine, image, tmp_path_factory.mktemp("large"), 1, trees=100, depth=8, rows=3000
    )
    for number in range(1, 30):
        shutil.copytree(folder / "m0", folder / f"m{number}")
    return folder


def test_loads_are_507_before_the_container_is_out_of_memory(
    docker_engine: docker.DockerClient, image: str, large_models: Path
) -> None:
    with serving(
        docker_engine,
        image,
        large_models,
        environment=ENVIRONMENT,
        mounts=[bind(large_models, "/opt/ml/models", read_only=True)],
        mem_limit="300m",
        memswap_limit="300m",
    ) as served:
        client = Client(served)
        worker = served.workers()
        statuses = load_all(served, 30)
        assert set(statuses) == {200, 507}, statuses
        wanted = json.dumps({"model_name": "again", "url": "/opt/ml/models/m0/model"}).encode()
        answer = client.ask("POST", "/models", wanted)
        assert (answer.status, json.loads(answer.body)["type"]) == (
            507,
            "InsufficientStorageException",
        )
        assert re.match("Out of memory: model again needs", json.loads(answer.body)["message"])
        loaded = json.loads(client.ask("GET", "/models").body)["models"]
        assert client.invoke(loaded[0]["modelName"]).status == 200
        for model in loaded[:3]:
            assert client.unload(model["modelName"]) == 200
        assert client.ask("POST", "/models", wanted).status == 200
        assert client.invoke("again").status == 200
        unload_all(served)
        assert load_all(served, 30)[200] >= statuses[200] - 1
        assert served.workers() == worker


def test_sigterm_while_a_model_is_loaded_ends_soon(
    docker_engine: docker.DockerClient, image: str, models: Path, tmp_path: Path
) -> None:
    # A model without a manifest is first loaded in a separate process, which takes a second.
    folder = tmp_path / "m" / "model"
    folder.mkdir(parents=True)
    shutil.copy(models / "m3" / "model" / "xgboost-model", folder)
    with (
        serving(
            docker_engine,
            image,
            tmp_path,
            environment=ENVIRONMENT,
            mounts=[bind(tmp_path, "/opt/ml/models", read_only=True)],
        ) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        loading = pool.submit(lambda: Client(served).load("m"))
        time.sleep(0.3)
        served.container.kill(signal.SIGTERM)
        start = time.monotonic()
        assert ended(served.container, 30).exit_code == 0
        assert time.monotonic() - start < 20
        try:
            assert loading.result() == 200
        except (OSError, http.client.HTTPException):
            pytest.fail("the load under way was not finished")


@pytest.mark.parametrize("name", ["%" * 1024, "é" * 512, "a b?c=d#e", "%2F", "..m"])
def test_model_of_any_name_is_described_invoked_and_unloaded(endpoint: Served, name: str) -> None:
    path = f"/models/{quote(name, safe='')}"
    wanted = json.dumps({"model_name": name, "url": "/opt/ml/models/m0/model"}).encode()
    assert endpoint.request("POST", "/models", wanted).status == 200
    assert json.loads(endpoint.request("GET", path).body)["modelName"] == name
    assert endpoint.request("POST", f"{path}/invoke", ROW, CSV).status == 200
    assert endpoint.request("DELETE", path).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"9" * 5000,
        b'{"model_name": "\\ud800", "url": "/opt/ml/models/m0/model"}',
        json.dumps({"model_name": "x" * 10_000, "url": "/opt/ml/models/m0/model"}).encode(),
        json.dumps({"model_name": "m", "url": "/opt/ml/models/" + "x" * 100_000}).encode(),
        json.dumps({"model_name": "m", "url": "/opt/ml/models/\0"}).encode(),
    ],
    ids=["nested", "digits", "half a pair", "long name", "long url", "NUL"],
)
def test_invalid_load_is_400(endpoint: Served, body: bytes) -> None:
    answer = endpoint.request("POST", "/models", body)
    assert answer.status in (400, 404), answer.body
    assert len(answer.body) < 1000
