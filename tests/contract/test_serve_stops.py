"""SIGTERM under load, seen in the network namespace of the server: no request is lost.

The engine's proxy of published ports hides what happens to connections.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import docker
import pytest
from containers import bind, started, wait_until

pytestmark = pytest.mark.timeout(180)

STOPS = 10
CLIENTS = Path(__file__).parents[2] / "benchmarks" / "serving" / "stopping.py"
MODEL = "/opt/ml/model"


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_a_server_is_stopped_under_load(
    docker_engine: docker.DockerClient, image: str, regression: Path, workers: int
) -> None:
    for _ in range(STOPS // 2):
        seen, exit_code = stopped_under_load(docker_engine, image, regression, workers)
        assert seen["lost"] == 0, seen["losses"]
        assert seen["answered"] > 0
        assert exit_code == 0


def stopped_under_load(
    engine: docker.DockerClient, image: str, model: Path, workers: int
) -> tuple[dict[str, int], int]:
    """Start a server and its clients, stop the server, and return what the clients saw."""
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
    mounts = [bind(model, MODEL, read_only=True)]
    with started(engine, image, "serve", mounts=mounts, environment=environment) as server:
        wait_until(
            lambda: (
                server.exec_run(["bash", "-c", "echo > /dev/tcp/127.0.0.1/8080"]).exit_code == 0
            ),
            "the server listens",
        )
        with started(
            engine,
            image,
            ["/stopping.py", "8080"],
            entrypoint="python",
            mounts=[bind(CLIENTS, "/stopping.py", read_only=True)],
            network_mode=f"container:{server.id}",
        ) as clients:
            wait_until(lambda: clients.logs().startswith(b"ready"), "each client has an answer")
            time.sleep(random.uniform(0, 0.5))
            server.kill("SIGTERM")
            exit_code = server.wait(timeout=60)["StatusCode"]
            clients.wait(timeout=60)
            return json.loads(clients.logs().splitlines()[-1]), exit_code
