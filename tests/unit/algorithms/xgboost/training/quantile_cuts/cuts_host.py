"""One host of a job in its own process, which trains as the image does."""

from __future__ import annotations

import argparse
import io
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tabular.algorithms.xgboost.training import job as xgboost
from tabular.algorithms.xgboost.training.quantile_cuts import joint_rows, multi_host
from tabular.algorithms.xgboost.training.quantile_cuts.column_sketch import ColumnCuts
from tabular.contract.errors import JobError
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.training import job as training_job
from tabular.training.run import Run
from tabular.training.timing import Timing

from ....runs import train as train_job
from ..cluster_host import resolve_here


def fits_nowhere() -> None:
    """Make rows need more memory than the host has."""
    multi_host.BYTES_PER_ROW = 1 << 40


def overlaps() -> None:
    """Give the rows of each host the same positions."""
    multi_host.global_positions = lambda store, folder: np.arange(store.rows)


def is_not_taken_over() -> None:
    """Drop values, so that XGBoost derives other cuts from the rest."""
    real = multi_host.reference_matrix

    def reference_matrix(found: Any, *rest: Any) -> Any:
        values = [of_column[::2] for of_column in found.values]
        return real(ColumnCuts(found.cuts, values), *rest)

    multi_host.reference_matrix = reference_matrix


FAULTS: dict[str, Callable[[], None]] = {
    function.__name__: function for function in (fits_nowhere, overlaps, is_not_taken_over)
}


def train(folder: Path, memory: int, ports: tuple[int, int]) -> None:
    """Train in this process."""

    def on_failure(error: JobError) -> None:
        raise error

    real = xgboost.ports_of
    xgboost.ports_of = lambda _: ports
    job = read_job({"SAGEMAKER_BASE_DIR": str(folder)})
    machine = Machine(cpus=1, gpus=0, memory=memory)
    termination = Termination(lambda message: None)
    run = Run(job, machine, termination, io.StringIO(), on_failure, Timing())
    # Other tests cover compiling, which takes 3 s in a separate process.
    add_compiled = training_job.add_compiled
    training_job.add_compiled = lambda *_: None
    try:
        train_job(run)
    finally:
        xgboost.ports_of, training_job.add_compiled = real, add_compiled


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--memory", type=int, default=8 << 30)
    parser.add_argument("--block", type=int, default=64 << 10)
    parser.add_argument("--fault", choices=FAULTS)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    if given.fault:
        FAULTS[given.fault]()
    joint_rows.BLOCK_BYTES = given.block
    resolve_here(0)
    train(given.folder, given.memory, (given.port, given.port + 1))


if __name__ == "__main__":
    # Ends a test process whose test has ended.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(120)
    main()
