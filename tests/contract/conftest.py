"""Fixtures of the contract tests: jobs that have ended, and models to serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from containers import Served, Train, Trained, run_train, serving
from job_folder import HYPERPARAMETERS, JobFolder, csv_text, table
from request_bodies import NAMES


@pytest.fixture
def train(docker_engine: docker.DockerClient, image: str, tmp_path: Path) -> Train:
    runs = iter(range(100))

    def run(
        hyperparameters: Any = None, channels: Any = None, files: Any = None, **options: Any
    ) -> Trained:
        job = JobFolder.lay_out(tmp_path / f"{next(runs)}", hyperparameters, channels, files)
        return run_train(docker_engine, image, job, **options)

    return run


@pytest.fixture(scope="session")
def trained(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A regression, trained on 4 features, with validation."""
    job = JobFolder.lay_out(tmp_path_factory.mktemp("regression"))
    return run_train(docker_engine, image, job)


@pytest.fixture(scope="session")
def regression(trained: Trained) -> Path:
    """The artifact of a regression on 4 features."""
    assert trained.exit_code == 0, trained.stderr
    return trained.job.model


@pytest.fixture(scope="session")
def binary(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The artifact of ``binary:logistic`` on 4 features."""
    return _model(docker_engine, image, tmp_path_factory, "binary:logistic", 2)


@pytest.fixture(scope="session")
def multiclass(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The artifact of ``multi:softprob`` with 3 classes on 4 features."""
    return _model(docker_engine, image, tmp_path_factory, "multi:softprob", 3)


@pytest.fixture(scope="session")
def classifier(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The artifact of a scikit-learn classifier of ``yes`` and ``no``, with a column of texts."""
    cities = ("Bonn", "Ulm")
    rows = [
        ["yes" if cells[0] > 0 else "no", *cells[:2], cities[cells[2] > 0]] for _, *cells in table()
    ]
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("classifier"),
        {"algorithm": "sklearn.linear_model.LogisticRegression", "target": "y"},
        {"train": {"data.csv": csv_text([["y", "age", "income", "city"], *rows])}},
    )
    end = run_train(docker_engine, image, job)
    assert end.exit_code == 0, end.stderr
    return job.model


@pytest.fixture(scope="session")
def named(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The artifact of a regression on 4 features with the names of ``request_bodies``."""
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("named"),
        {**HYPERPARAMETERS, "target": "y"},
        {"train": {"data.csv": csv_text([["y", *NAMES], *table()])}},
    )
    end = run_train(docker_engine, image, job)
    assert end.exit_code == 0, end.stderr
    return job.model


def _model(
    engine: docker.DockerClient,
    image: str,
    folders: pytest.TempPathFactory,
    objective: str,
    classes: int,
) -> Path:
    hyperparameters = {**HYPERPARAMETERS, "objective": objective}
    if classes > 2:
        hyperparameters["num_class"] = str(classes)
    job = JobFolder.lay_out(
        folders.mktemp(objective.replace(":", "-")),
        hyperparameters,
        {"train": {"data.csv": csv_text(table(classes=classes))}},
    )
    end = run_train(engine, image, job)
    assert end.exit_code == 0, end.stderr
    return job.model


@pytest.fixture(scope="module")
def served(docker_engine: docker.DockerClient, image: str, regression: Path) -> Iterator[Served]:
    """The regression, served with only ``/tmp`` writable."""
    with serving(docker_engine, image, regression, read_only=True, tmpfs={"/tmp": ""}) as server:
        yield server
