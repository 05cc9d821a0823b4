"""Train XGBoost in this process, and load what the job saved."""

from __future__ import annotations

import io

import xgboost

from tabular.algorithms.xgboost.model import load_models
from tabular.artifact.manifest import Manifest
from tabular.contract.errors import JobError
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.training.run import Run
from tabular.training.timing import Timing

from ....conftest import JobFolder
from ...runs import train


def run(
    folder: JobFolder, hyperparameters: dict[str, object] | None = None, *, stop: bool = False
) -> str:
    """Train; return what was printed. With ``stop``, SIGTERM has arrived before."""
    given = {"num_round": 3, "max_depth": 2, **(hyperparameters or {})}
    folder.config("hyperparameters.json", {key: str(value) for key, value in given.items()})
    termination = Termination(lambda message: None)
    if stop:
        termination.requested.set()
    stdout = io.StringIO()
    machine = Machine(cpus=1, gpus=0, memory=8 << 30)
    train(Run(read_job(folder.environ), machine, termination, stdout, unexpected, Timing()))
    return stdout.getvalue()


def unexpected(error: JobError) -> None:
    """Raise the error that another host is said to have sent: there is no other host."""
    raise error


def artifact(folder: JobFolder) -> tuple[xgboost.Booster, Manifest]:
    """Load the first model that a job saved, and its manifest."""
    boosters, manifest = load_models(folder.root / "model")
    assert manifest is not None
    return boosters[0], manifest
