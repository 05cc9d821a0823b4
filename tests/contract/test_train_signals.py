"""``train`` under signals: ``docker stop -t 120`` as SageMaker does it, and SIGKILL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from containers import Ended, Trained, bind, ended, run_train, serving, started, wait_until
from docker.models.containers import Container
from job_folder import HYPERPARAMETERS, JobFolder, csv_text, table

pytestmark = pytest.mark.timeout(300)

STOPPED = 128 + 15
GRACE_SECONDS = 120  # between SIGTERM and SIGKILL in training
PROMPT_SECONDS = 10
LONG = {**HYPERPARAMETERS, "num_round": "100000", "max_depth": "6"}
DATA = csv_text(table(rows=2000, features=10))


@dataclass(frozen=True)
class Stopped(Trained):
    """A job that was stopped, and how long it took to end."""

    seconds: float


@contextmanager
def running(engine: docker.DockerClient, image: str, job: JobFolder) -> Iterator[Container]:
    with started(engine, image, "train", network_mode="none", mounts=[bind(job.root)]) as container:
        yield container


def stop(container: Container, job: JobFolder) -> Stopped:
    """Stop a job as SageMaker does."""
    began = time.monotonic()
    container.stop(timeout=GRACE_SECONDS)
    seconds = time.monotonic() - began
    end: Ended = ended(container)
    return Stopped(end.exit_code, end.stdout, end.stderr, job, seconds)


def wait_for_rounds(container: Container) -> None:
    wait_until(lambda: b"[5]" in container.logs(stderr=False), "round 5 is on stdout")


@pytest.fixture(scope="module")
def stopped(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Stopped:
    """A job that was stopped during its rounds."""
    job = JobFolder.lay_out(tmp_path_factory.mktemp("stopped"), LONG, {"train": {"a.csv": DATA}})
    with running(docker_engine, image, job) as container:
        wait_for_rounds(container)
        return stop(container, job)


@pytest.fixture(scope="module")
def saved(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Stopped:
    """The stopped job with ``save_model_on_termination``."""
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("saved"),
        {**LONG, "save_model_on_termination": "true"},
        {"train": {"a.csv": DATA}},
    )
    with running(docker_engine, image, job) as container:
        wait_for_rounds(container)
        return stop(container, job)


def test_sigterm_ends_training_at_once(stopped: Stopped) -> None:
    assert stopped.seconds < PROMPT_SECONDS


def test_sigterm_gives_exit_code_143(stopped: Stopped) -> None:
    assert stopped.exit_code == STOPPED


def test_sigterm_is_named_in_the_failure_file_with_the_setting_that_saves_the_model(
    stopped: Stopped,
) -> None:
    assert "stopped by SIGTERM" in stopped.reason
    assert "save_model_on_termination=true" in stopped.reason


def test_sigterm_is_the_last_line_of_stderr(stopped: Stopped) -> None:
    assert stopped.last_line == stopped.reason


def test_sigterm_leaves_no_model(stopped: Stopped) -> None:
    assert stopped.job.saved() == []


def test_sigterm_gives_no_traceback(stopped: Stopped) -> None:
    assert "Traceback" not in stopped.stderr


def test_sigterm_with_saving_ends_training_at_once(saved: Stopped) -> None:
    assert saved.seconds < PROMPT_SECONDS


def test_sigterm_with_saving_is_a_success(saved: Stopped) -> None:
    assert (saved.exit_code, saved.failure) == (0, None)


def test_sigterm_with_saving_leaves_a_whole_model_that_serves(
    docker_engine: docker.DockerClient, image: str, saved: Stopped
) -> None:
    assert saved.job.saved() == ["tabular/compiled.onnx", "tabular/manifest.json", "xgboost-model"]
    with serving(docker_engine, image, saved.job.model) as server:
        assert server.invoke(b"0,0,0,0,0,0,0,0,0,0").status == 200


def test_sigterm_with_saving_keeps_the_rounds_that_were_printed(saved: Stopped) -> None:
    assert saved.job.manifest["rounds"] == len(saved.stdout.splitlines())


def test_sigterm_while_data_is_read_ends_the_job_at_once(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    line = ",".join(["0.125"] * 50) + "\n"
    job = JobFolder.lay_out(tmp_path, LONG, {"train": {"a.csv": line * 600_000}})  # 180 MB
    with running(docker_engine, image, job) as container:
        # pyarrow is loaded when the first file is opened.
        wait_until(
            lambda: container.exec_run(["grep", "-q", "libarrow", "/proc/1/maps"]).exit_code == 0,
            "reading has begun",
        )
        end = stop(container, job)
    (tmp_path / "input/data/train/a.csv").unlink()
    assert end.exit_code == STOPPED
    assert end.seconds < PROMPT_SECONDS
    assert "stopped by SIGTERM" in end.reason
    assert " rows, " not in end.stderr  # what is logged when a channel has been read


def test_second_sigterm_changes_nothing(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(
        tmp_path, {**LONG, "save_model_on_termination": "true"}, {"train": {"a.csv": DATA}}
    )
    with running(docker_engine, image, job) as container:
        wait_for_rounds(container)
        again = threading.Thread(target=container.kill, args=("SIGTERM",))
        container.kill("SIGTERM")
        again.start()
        end = ended(container)
        again.join()
    assert end.exit_code == 0, end.stderr
    assert job.saved() == ["tabular/compiled.onnx", "tabular/manifest.json", "xgboost-model"]


@pytest.fixture(scope="module")
def killed(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> JobFolder:
    """A job's folder after SIGKILL during its rounds."""
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("killed"),
        {**LONG, "save_model_on_termination": "true"},
        {"train": {"a.csv": DATA}},
    )
    with running(docker_engine, image, job) as container:
        wait_for_rounds(container)
        container.kill()
        ended(container)
    return job


def test_sigkill_leaves_no_partial_model(killed: JobFolder) -> None:
    assert [path.name for path in killed.model.iterdir() if path.is_file()] == []


def test_rerun_after_sigkill_succeeds(
    docker_engine: docker.DockerClient, image: str, killed: JobFolder
) -> None:
    again = JobFolder.lay_out(killed.root, HYPERPARAMETERS, {"train": {"a.csv": DATA}})
    end = run_train(docker_engine, image, again)
    assert end.exit_code == 0, end.stderr
    assert again.saved() == ["tabular/compiled.onnx", "tabular/manifest.json", "xgboost-model"]


def test_ctrl_c_ends_training_with_one_line(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path, LONG, {"train": {"a.csv": DATA}})
    with running(docker_engine, image, job) as container:
        wait_for_rounds(container)
        container.kill("SIGINT")
        end = ended(container)
    assert end.exit_code == 128 + 2
    assert end.last_line == "interrupted; no model was saved"
    assert "Traceback" not in end.stderr
