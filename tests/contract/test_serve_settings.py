"""``serve``: the settings of hosting and batch transform, and artifacts of other origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker
import pytest
import xgboost
from containers import Served, bind, serving, wait_until
from predictions import BODY, ROWS, as_csv, scores

pytestmark = pytest.mark.timeout(300)

ENVIRONMENT = {
    "SAGEMAKER_BIND_TO_PORT": "9123",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "20",
    "SAGEMAKER_BATCH": "true",
    "SAGEMAKER_MULTI_MODEL": "false",
}


@pytest.fixture(scope="module")
def configured(docker_engine: docker.DockerClient, image: str, regression: Path) -> Any:
    """Served with every setting of hosting and batch transform, not as root."""
    with serving(
        docker_engine,
        image,
        regression,
        port=9123,
        environment=ENVIRONMENT,
        user="1234:1234",
        cap_drop=["ALL"],
        read_only=True,
        tmpfs={"/tmp": ""},
    ) as server:
        yield server


def test_port_is_that_of_sagemaker_bind_to_port(configured: Served) -> None:
    assert configured.healthy()


def test_number_of_workers_is_that_of_the_setting(configured: Served) -> None:
    wait_until(lambda: len(configured.workers()) == 3, "3 workers run")


def test_default_accept_is_that_of_the_setting(configured: Served) -> None:
    assert configured.invoke(BODY).content_type == "application/json"


def test_execution_parameters_are_those_of_the_settings(configured: Served) -> None:
    answer = configured.request("GET", "/execution-parameters")
    assert answer.body == (
        b'{"MaxConcurrentTransforms": 3, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 20}'
    )
    assert answer.content_type == "application/json"


def test_larger_payload_is_accepted_if_configured(configured: Served) -> None:
    assert configured.invoke((BODY + b"\n") * 40_000).status == 200  # 7 MB


@pytest.fixture(scope="module")
def one_processor(docker_engine: docker.DockerClient, image: str, regression: Path) -> Any:
    with serving(docker_engine, image, regression, nano_cpus=1_000_000_000) as server:
        yield server


def test_workers_follow_the_containers_processors(one_processor: Served) -> None:
    wait_until(lambda: len(one_processor.workers()) == 1, "1 worker runs")


def test_execution_parameters_are_the_defaults_of_aws_container(one_processor: Served) -> None:
    assert one_processor.request("GET", "/execution-parameters").body == (
        b'{"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}'
    )


@pytest.mark.parametrize("raw_format", ["ubj", "json"])
def test_artifact_of_aws_container_serves(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, raw_format: str
) -> None:
    data = xgboost.DMatrix(ROWS, label=[row[0] for row in ROWS])
    booster = xgboost.train({"max_depth": 2}, data, 3)
    (tmp_path / "xgboost-model").write_bytes(booster.save_raw(raw_format))
    with serving(docker_engine, image, tmp_path) as server:
        assert server.invoke(BODY).body == as_csv(scores(tmp_path))


def test_artifact_may_contain_other_files(
    docker_engine: docker.DockerClient, image: str, regression: Path, tmp_path: Path
) -> None:
    (tmp_path / "xgboost-model").write_bytes((regression / "xgboost-model").read_bytes())
    (tmp_path / "features.json").write_text("[]")
    with serving(docker_engine, image, tmp_path) as server:
        assert server.invoke(BODY).status == 200


def test_base_folder_may_be_another_folder(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(
        docker_engine,
        image,
        regression,
        mounts=[bind(regression, "/srv/ml/model", read_only=True)],
        environment={"SAGEMAKER_BASE_DIR": "/srv/ml"},
    ) as server:
        assert server.invoke(BODY).status == 200
