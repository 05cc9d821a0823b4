"""SIGTERM while a container starts: `train` and `serve` handle it before Python runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import docker
import pytest
from containers import Ended, bind, ended, started
from job_folder import HYPERPARAMETERS, JobFolder, csv_text, table

pytestmark = pytest.mark.timeout(300)

STOPPED = 128 + 15
LONG = {**HYPERPARAMETERS, "num_round": "100000"}
PROMPT_SECONDS = 5  # 0.1 to 0.3 s on an idle machine
OWN = "an entry point of one's own"
WAYS: dict[str, dict[str, Any]] = {
    "the entry point": {},
    "docker run --init": {"init": True},
    OWN: {"entrypoint": ["train"]},
}
# A signal that arrives before the first program has started goes to the container's runtime (or
# docker-init), which ends without output and with one of these exit codes.
RUNTIME = (2, STOPPED)
TRIES = 5
CASES = [
    *(("the entry point", milliseconds) for milliseconds in (5, 10, 20, 50, 100, 200, 400)),
    *(("docker run --init", milliseconds) for milliseconds in (20, 100)),
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    rows = csv_text(table(rows=2000, features=10))
    return JobFolder.lay_out(tmp_path_factory.mktemp("long"), LONG, {"train": {"a.csv": rows}})


def stopped(
    engine: docker.DockerClient, image: str, command: str | None, milliseconds: int, **options: Any
) -> tuple[Ended, float]:
    """Stop a container after some milliseconds; return how it ended, and the seconds it took."""
    for _ in range(TRIES):
        with started(engine, image, command, **options) as container:
            time.sleep(milliseconds / 1000)
            container.kill("SIGTERM")
            began = time.monotonic()
            end = ended(container, 60)
            seconds = time.monotonic() - began
        if end.exit_code not in RUNTIME or end.stderr:
            break
    return end, seconds


@pytest.mark.parametrize(("way", "milliseconds"), [*CASES, (OWN, 20), (OWN, 100)])
def test_sigterm_ends_train_with_a_reason(
    docker_engine: docker.DockerClient, image: str, job: JobFolder, way: str, milliseconds: int
) -> None:
    options = {"mounts": [bind(job.root)], "network_mode": "none", **WAYS[way]}
    command = None if way == OWN else "train"
    (job.root / "output/failure").unlink(missing_ok=True)
    end, seconds = stopped(docker_engine, image, command, milliseconds, **options)
    assert end.exit_code == STOPPED
    assert (job.failure or "").startswith("PlatformError: stopped by SIGTERM before training")
    assert seconds < PROMPT_SECONDS


@pytest.mark.parametrize(("way", "milliseconds"), CASES)
def test_sigterm_ends_serve_with_0(
    docker_engine: docker.DockerClient, image: str, regression: Path, way: str, milliseconds: int
) -> None:
    options = {"mounts": [bind(regression, "/opt/ml/model", read_only=True)], **WAYS[way]}
    end, seconds = stopped(docker_engine, image, "serve", milliseconds, **options)
    assert end.exit_code == 0
    assert seconds < PROMPT_SECONDS


def test_other_programs_do_not_start_with_sigterm_blocked(
    docker_engine: docker.DockerClient, image: str
) -> None:
    command = ["grep", "SigBlk", "/proc/self/status"]
    with started(docker_engine, image, command) as container:
        assert ended(container).stdout.split() == ["SigBlk:", "0" * 16]
