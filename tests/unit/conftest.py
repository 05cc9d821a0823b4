"""What the unit tests share: one small trained model, and a job's folder to fill."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import settings

from tabular.algorithms.xgboost.model import save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest

# The first example imports pyarrow; a loaded machine is not a finding.
settings.register_profile("unit", deadline=None, max_examples=50)
settings.load_profile("unit")


def boost(
    folder: Path, params: Mapping[str, object], rounds: int = 4, manifest: bool = True
) -> xgboost.Booster:
    """Train on 200 rows of four columns and save the artifact.

    A model without a manifest is loaded with more care, which takes longer.
    """
    draw = np.random.default_rng(7)
    features = draw.normal(size=(200, 4)).astype(np.float32)
    label = (features[:, 0] + features[:, 1] > 0).astype(np.float32)
    matrix = xgboost.DMatrix(features, label)
    booster = xgboost.train({"nthread": 1, **params}, matrix, rounds)
    files = save_models(folder, [booster])
    if manifest:
        described = Manifest(algorithm="xgboost", num_features=4, rounds=rounds, files=files)
        save_manifest(folder, described)
    return booster


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of four features, objective binary:logistic."""
    folder = tmp_path_factory.mktemp("model")
    boost(folder, {"objective": "binary:logistic", "max_depth": 2})
    return folder


@dataclass(frozen=True)
class JobFolder:
    """Stands for ``/opt/ml``."""

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "SAGEMAKER_BASE_DIR": str(self.root)}

    @property
    def failure(self) -> Path:
        return self.root / "output" / "failure"

    @property
    def model(self) -> Path:
        return self.root / "model" / "xgboost-model"

    def config(self, name: str, value: object) -> Path:
        path = self.root / "input" / "config" / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def data(self, channel: str, content: str | bytes, name: str = "data.csv") -> Path:
        path = self.root / "input" / "data" / channel / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"tabular.commands.{command}"],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def job_folder(tmp_path: Path) -> JobFolder:
    """An empty ``/opt/ml`` in which a job can be laid out."""
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    return JobFolder(tmp_path)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start(free_port: int) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a server in a process of its own and wait until it listens."""
    started: list[subprocess.Popen[bytes]] = []

    def starter(arguments: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, *arguments], env={**environ})
        started.append(process)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", free_port), 1).close()
                return process
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"nothing listens; exit status {process.poll()}")

    yield starter
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
