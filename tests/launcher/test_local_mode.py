"""--local: the verbs on the real image, with no AWS account, no credentials and no region."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from sagemaker.local import LocalSession

from sagemaker_tabular import LauncherError, delete, deploy, predict, train
from sagemaker_tabular.containers import ENDPOINT_LABEL, JOB_LABEL
from sagemaker_tabular.session import open_session

COMMAND = [str(Path(sys.executable).with_name("sagemaker-tabular"))]
ROWS = b"1,0\n50,2\n"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def artifact(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    data = folder / "data"
    data.mkdir()
    (data / "train.csv").write_text("".join(f"{i % 7},{i},{i % 3}\n" for i in range(60)))
    (data / "notes.txt").write_text("not data\n")
    estimator = train(
        image,
        {"train": data / "train.csv"},
        {"num_round": 3},
        output_path=folder / "output",
        local=True,
    )
    return Path(estimator.model_data.removeprefix("file://"))


@pytest.fixture(autouse=True)
def nothing_left_behind(docker_engine: docker.DockerClient) -> Iterator[None]:
    def ours() -> set[str]:
        every = docker_engine.containers.list(all=True, ignore_removed=True)
        return {each.id for each in every if {ENDPOINT_LABEL, JOB_LABEL} & set(each.labels)}

    before = ours()
    yield
    assert ours() <= before


def test_training_reads_the_file_given_and_writes_the_artifact(artifact: Path) -> None:
    with tarfile.open(artifact) as tar:
        assert "xgboost-model" in tar.getnames()


def test_failed_job_gives_the_image_s_own_words(image: str, train_csv: Path) -> None:
    with pytest.raises(LauncherError, match=r"failed: .*num_round"):
        train(image, {"train": train_csv}, {}, local=True)


def test_endpoint_answers_and_is_deleted(image: str, artifact: Path, port: int) -> None:
    model = deploy(image, artifact, local=True, port=port)
    assert isinstance(model.sagemaker_session, LocalSession)
    try:
        answer = predict(model.endpoint_name, ROWS, local=True, port=port)
        with pytest.raises(LauncherError, match="the endpoint answered 4"):
            predict(model.endpoint_name, b"not,numbers\n", local=True, port=port)
        with pytest.raises(LauncherError, match=f"port {port} of this machine is in use"):
            deploy(image, artifact, local=True, port=port)
    finally:
        deletion = delete(model.endpoint_name, local=True)
    assert len(answer.split()) == 2
    assert f"endpoint {model.endpoint_name}" in deletion.deleted
    assert f"model {model.name}" in deletion.deleted
    with pytest.raises(LauncherError, match="no local endpoint answers"):
        predict(model.endpoint_name, ROWS, local=True, port=port)


def test_artifact_folder_stays_as_training_left_it(image: str, artifact: Path, port: int) -> None:
    before = sorted(artifact.parent.iterdir())
    model = deploy(image, artifact, local=True, port=port)
    delete(model.endpoint_name, local=True)
    assert sorted(artifact.parent.iterdir()) == before


def test_session_of_the_caller_means_local_mode(image: str, train_csv: Path) -> None:
    session = open_session(local=True, labels={JOB_LABEL: "mine"})
    estimator = train(
        image, {"train": train_csv}, {"num_round": 1}, job_name="mine", session=session
    )
    assert estimator.sagemaker_session is session


@pytest.fixture
def foreground(image: str, artifact: Path, port: int, tmp_path: Path) -> Iterator[subprocess.Popen]:
    log = tmp_path / "deploy.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(*COMMAND, "deploy", "--local", "--image", image, "--model", str(artifact)),
                *("--endpoint", "held", "--port", str(port)),
            ],
            stderr=stream,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while b"Serving: http://localhost" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    yield process
    assert process.wait(timeout=60) == 0, log.read_text()
    assert "Deleted: endpoint held" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_command_line_serves_until_sigterm(foreground: subprocess.Popen, port: int) -> None:
    ask = [*COMMAND, "predict", "--local", "--port", str(port), "-"]
    answer = subprocess.run(ask, input=ROWS, capture_output=True, check=True)
    foreground.send_signal(signal.SIGTERM)
    assert len(answer.stdout.split()) == 2


def test_command_line_serves_until_ctrl_c(foreground: subprocess.Popen) -> None:
    os.killpg(foreground.pid, signal.SIGINT)


def test_delete_takes_down_an_endpoint_of_another_process(foreground: subprocess.Popen) -> None:
    assert delete(local=True).deleted == ("endpoint held",)
