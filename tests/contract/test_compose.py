"""docker-compose.yml: train, then serve, on a folder laid out as /opt/ml."""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_folder import JobFolder

CHECKOUT = Path(__file__).resolve().parents[2]


class Compose:
    """``docker compose`` on the checkout's file, as a project of its own."""

    def __init__(self, image: str, job: JobFolder) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = {
            **os.environ,
            "TABULAR_IMAGE": image,
            "ML_DIR": str(job.root),
            "PORT": str(self.port),
            "COMPOSE_PROJECT_NAME": f"tabular-test-{self.port}",
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", *arguments],
            cwd=CHECKOUT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def compose(image: str, tmp_path: Path) -> Iterator[Compose]:
    project = Compose(image, JobFolder.lay_out(tmp_path / "ml"))
    yield project
    project("down", "--timeout", "5", "--remove-orphans")


def test_train_then_serve_becomes_healthy_and_answers(compose: Compose) -> None:
    trained = compose("run", "--rm", "train")
    assert trained.returncode == 0, trained.stderr

    served = compose("up", "--detach", "--wait", "serve")
    assert served.returncode == 0, served.stderr
    request = urllib.request.Request(
        f"http://127.0.0.1:{compose.port}/invocations", b"1,2,3,4", {"Content-Type": "text/csv"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert len(answer.read().splitlines()) == 1


def test_serving_without_a_model_ends_with_the_reason(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "ml" / "model").mkdir(exist_ok=True)
    served = compose("up", "--exit-code-from", "serve", "serve")
    assert served.returncode == 1
    assert "no model: /opt/ml/model/xgboost-model does not exist" in served.stdout + served.stderr
