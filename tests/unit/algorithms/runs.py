"""Train in this process as the command ``train`` does."""

from __future__ import annotations

from tabular.algorithms import algorithm_of
from tabular.contract.hyperparameters import ALGORITHM
from tabular.training import job
from tabular.training.run import Run


def train(run: Run) -> None:
    """Train the algorithm that the job names."""
    algorithm = algorithm_of(run.job.hyperparameters.get(ALGORITHM)).training
    job.train(run, algorithm, algorithm.validate(run))
