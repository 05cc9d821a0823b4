"""Read the channels of a job that trains on one host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np

from tabular.artifact.files import require_writable
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.job import TrainingJob
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.channel_reader import ChannelReader
from tabular.training.rows import (
    Checks,
    choose_channels,
    list_files,
    scratch_folder,
)
from tabular.training.run import Run


def _require_single_host(job: TrainingJob) -> None:
    """Refuse several hosts for an algorithm that trains on one host.

    Raises
    ------
    UserError
        The job has more than one host.
    """
    count = len(job.hosts.names)
    if count > 1:
        raise UserError(
            f"{job.hyperparameters.get(ALGORITHM)} trains on one host, and the job has {count}: "
            "set instance_count=1, or use algorithm=xgboost"
        )


@contextmanager
def read_channels(
    run: Run,
    layout: Layout,
    checks: Checks | None = None,
    memory_budget: MemoryBudget | None = None,
) -> Iterator[tuple[dict[str, Store], Columns]]:
    """Read all channels of a job that trains on one host, and agree on their columns.

    Parameters
    ----------
    checks : Checks or None
        The checks of the algorithm.
    memory_budget : MemoryBudget or None
        The memory for features. Further features are stored on disk. The default is half of the
        container's memory.

    Yields
    ------
    (dict of str to Store, Columns)
        The rows of each channel, by name. The stores are closed at the end of the block.

    Raises
    ------
    UserError
        The job has several hosts, there is no channel ``train``, a channel has no rows, a file is
        broken, or the columns of the channels differ.
    PlatformError
        The model's folder can't be written.
    """
    _require_single_host(run.job)
    require_writable(run.job.paths.model)
    channels = choose_channels(run.job)
    memory_budget = memory_budget or MemoryBudget(run.machine.memory // 2, scratch_folder(run.job))
    reader = ChannelReader(
        channels,
        checks or Checks(),
        memory_budget,
        run.machine.cpus,
        {},
        list_files(channels),
        run,
    )
    stores: dict[str, Store] = {}
    try:
        with run.timing.stage("read"):
            stores, _, columns = reader.read(layout)
        yield stores, columns
    finally:
        for store in stores.values():
            store.close()


def feature_matrix(store: Store) -> Floats:
    """Return the features of a channel as one matrix. The store frees its own copy.

    Returns
    -------
    float32 array, (rows, columns)
        Missing entries of a LIBSVM file are 0.
    """
    pieces = [
        piece if isinstance(piece, np.ndarray) else piece.toarray()
        for _, piece in store.features(store.rows * store.width * 4, last=True)
    ]
    return cast(Floats, np.concatenate(pieces))
