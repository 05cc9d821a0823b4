"""``train`` with a script on several hosts: each waits until the others' names are known."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from containers import bind, run, wait_until
from script_jobs import hyperparameters
from several_hosts import cluster

pytestmark = pytest.mark.timeout(300)

# Waits until the other host has resolved its name: a name ends with its container.
MEET = """
import json, os, socket, time
hosts = json.loads(os.environ["SM_HOSTS"])
print(os.environ["SM_CURRENT_HOST"], sorted(map(bool, map(socket.gethostbyname, hosts))))
time.sleep(3)
"""


def test_script_starts_after_the_names_of_all_hosts_resolve(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with cluster(
        docker_engine, image, tmp_path, 2, hyperparameters(), files={"code/train.py": MEET}
    ) as hosts:
        hosts.start("algo-1")
        wait_until(lambda: "waiting for the names of algo-2" in hosts.log("algo-1"), "it waits")
        hosts.start("algo-2")
        ends = hosts.all_ended()
    assert {host: (end.exit_code, end.stdout) for host, end in ends.items()} == {
        "algo-1": (0, "algo-1 [True, True]\n"),
        "algo-2": (0, "algo-2 [True, True]\n"),
    }


def test_script_does_not_wait_for_hosts_in_studio(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with cluster(
        docker_engine, image, tmp_path, 2, hyperparameters(), files={"code/train.py": "print(1)"}
    ) as hosts:
        end = run(
            docker_engine,
            image,
            "train",
            mounts=[bind(hosts.jobs["algo-1"].root)],
            environment={"SM_STUDIO_LOCAL_MODE": "True"},
        )
    assert (end.exit_code, end.stdout) == (0, "1\n")
