"""A training job on several hosts: containers on a Docker network, under SageMaker's names."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import numpy as np
import xgboost
from containers import Trained, bind, ended
from docker.models.containers import Container
from docker.models.networks import Network
from job_folder import CHANNEL, RESOURCE_CONFIG, JobFolder, csv_text

HYPERPARAMETERS = {"objective": "binary:logistic", "num_round": "15", "max_depth": "4"}
# Long enough to kill, pause or delay a host during training.
LONG = {**HYPERPARAMETERS, "num_round": "100000"}


def rows(count: int = 2000, seed: int = 0) -> list[list[float]]:
    """Draw rows of a label, which follows from the features, and four features."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        cells = [draw.gauss(0, 1) for _ in range(4)]
        made.append([float(cells[0] + cells[1] * cells[2] > 0), *cells])
    return made


TRAIN, VALIDATION = rows(), rows(400, seed=1)
FILES = 8


def shards(table: list[list[float]], hosts: int, host: int) -> dict[str, str]:
    """Write a host's files of a channel sharded by key: every ``hosts``-th of all files."""
    size = len(table) // FILES
    return {
        f"part-{number}": csv_text(table[number * size : (number + 1) * size])
        for number in range(FILES)
        if number % hosts == host
    }


@dataclass
class Cluster:
    """The containers of one job, by host.

    ``command`` and ``environment``, of each host, may be set before the start.
    """

    engine: docker.DockerClient
    image: str
    network: Network
    jobs: dict[str, JobFolder]
    containers: dict[str, Container] = field(default_factory=dict)
    command: str | list[str] = "train"
    environment: Callable[[str], dict[str, str]] = lambda host: {}

    def start(self, *hosts: str, **environment: str) -> None:
        """Start some or all hosts with additional variables; from then on their names resolve."""
        for host in hosts or tuple(self.jobs):
            networking = {self.network.name: self.engine.api.create_endpoint_config(aliases=[host])}
            container = self.engine.containers.create(
                self.image,
                self.command,
                environment={**self.environment(host), **environment},
                hostname=host,
                mounts=[bind(self.jobs[host].root)],
                network=self.network.name,
                networking_config=networking,
            )
            previous = self.containers.get(host)
            self.containers[host] = container
            if previous is not None:
                previous.remove(force=True)
            container.start()

    def log(self, host: str) -> str:
        return str(self.containers[host].logs().decode())

    def ended(self, host: str, timeout: float = 120) -> Trained:
        end = ended(self.containers[host], timeout)
        return Trained(end.exit_code, end.stdout, end.stderr, self.jobs[host])

    def all_ended(self, timeout: float = 120) -> dict[str, Trained]:
        return {host: self.ended(host, timeout) for host in self.jobs}


@contextmanager
def cluster(
    engine: docker.DockerClient,
    image: str,
    root: Path,
    hosts: int,
    hyperparameters: Mapping[str, str] = HYPERPARAMETERS,
    channels: Mapping[int, Mapping[str, Mapping[str, str]]] | None = None,
    files: Mapping[str, str] | None = None,
    distribution: str = "ShardedByS3Key",
) -> Iterator[Cluster]:
    """Lay out the job of each host, without starting any.

    Parameters
    ----------
    channels
        The files of a host that replace its shards, by the host's number from 0.
    """
    names = [f"algo-{number + 1}" for number in range(hosts)]
    jobs = {}
    for number, name in enumerate(names):
        own: Any = {
            "train": shards(TRAIN, hosts, number),
            "validation": shards(VALIDATION, hosts, number),
        }
        own = (channels or {}).get(number, own)
        config = {key: {**CHANNEL, "S3DistributionType": distribution} for key in own}
        resources = {**RESOURCE_CONFIG, "current_host": name, "hosts": names}
        configuration = {
            "input/config/resourceconfig.json": json.dumps(resources),
            "input/config/inputdataconfig.json": json.dumps(config),
        }
        jobs[name] = JobFolder.lay_out(
            root / name, hyperparameters, own, {**configuration, **(files or {})}
        )
    network = engine.networks.create(f"tabular-{uuid.uuid4().hex}", driver="bridge")
    made = Cluster(engine, image, network, jobs)
    try:
        yield made
    finally:
        for container in made.containers.values():
            container.remove(force=True)
        network.remove()


def scores(model: Path) -> np.ndarray:
    """Predict the validation rows in this process."""
    raw = bytearray((model / "xgboost-model").read_bytes())
    features = np.array(VALIDATION, np.float32)[:, 1:]
    return np.asarray(xgboost.Booster(model_file=raw).inplace_predict(features))
