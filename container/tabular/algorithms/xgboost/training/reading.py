"""Read the channels of a job on all its hosts, into rows with the same columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.training.classes import (
    agreed_classes,
    check_text_labels,
    encode_labels,
)
from tabular.algorithms.xgboost.training.cluster import Cluster
from tabular.algorithms.xgboost.training.labels import check, check_groups, check_width
from tabular.algorithms.xgboost.training.memory_estimates import least_row_bytes, most_columns
from tabular.algorithms.xgboost.training.shares import shares_of
from tabular.contract.channels import Channel
from tabular.data.batch import Batch
from tabular.data.columns import Columns
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.channel_reader import ChannelReader
from tabular.training.memory import Memory
from tabular.training.rows import (
    TRAIN,
    Checks,
    Described,
    list_files,
)
from tabular.training.run import Run

# The labels of this number of rows take 4 MB. A channel with fewer rows is read to its end, even if
# ``planning`` will refuse the job: its message also names the numbers of classes and trees.
FEWEST_ROWS_REFUSED = 1_000_000


@dataclass(frozen=True)
class HostRows:
    """The rows of a job, as one host has them.

    Attributes
    ----------
    stores : mapping of str to Store
        The rows of this host, by channel.
    columns : Columns or None
        The columns of all channels on all hosts; None if this host has no training rows.
    participants : sequence of str
        The hosts that have training rows, in rank order.
    classes : sequence of str
        Text labels, in the order of their codes; empty if the labels are numbers.
    """

    stores: Mapping[str, Store]
    columns: Columns | None
    participants: Sequence[str]
    classes: Sequence[str] = ()


def threads_of(run: Run, settings: Settings) -> int:
    """Return the number of threads that read and train."""
    threads: int = settings.params.get("nthread", run.machine.cpus)
    return threads


def read_host_rows(
    run: Run,
    settings: Settings,
    channels: Mapping[str, Channel],
    cluster: Cluster,
    stack: ExitStack,
    scratch: Path,
) -> HostRows:
    """Read this host's rows, and agree with the other hosts on the columns.

    Parameters
    ----------
    stack : ExitStack
        Closes the stores.
    scratch : Path
        A folder for rows that do not fit into memory.

    Raises
    ------
    UserError
        A file is broken, its rows can't be trained on, no host has rows of a channel, or the
        columns or classes of the files differ.
    """
    memory = Memory(run.machine.memory)
    files = list_files(channels)
    trained_on = tuple(channels) if settings.kfold is not None else (TRAIN,)
    with run.timing.stage("gather"):
        shares = shares_of(cluster, channels, files, trained_on, run.worker)
    memory_budget = MemoryBudget(memory.raw, scratch)
    if settings.device == "cpu":
        most_rows = memory.limit // least_row_bytes(1, settings.num_class)
        memory_budget.most_rows = max(most_rows, FEWEST_ROWS_REFUSED)

    def gather(own: Mapping[str, Mapping[str, Any]]) -> Described:
        with run.timing.stage("gather"):
            return cast(Described, cluster.allgather(own, "what it has read"))

    reader = ChannelReader(
        channels,
        _checks(settings, memory),
        memory_budget,
        threads_of(run, settings),
        shares,
        files,
        run,
        gather,
    )
    with run.timing.stage("read"):
        stores, described, columns = reader.read(settings.layout)
        classes = agreed_classes(described, settings.objective, settings.num_class)
        encode_labels(stores, classes, settings.objective, settings.num_class)
    for store in stores.values():
        stack.callback(store.close)
    participants = [
        host
        for host, description in zip(cluster.hosts.names, described, strict=True)
        if description[TRAIN]["rows"]
    ]
    takes_part = cluster.hosts.current in participants
    return HostRows(stores, columns if takes_part else None, participants, classes)


def _checks(settings: Settings, memory: Memory) -> Checks:
    def check_batch(batch: Batch, path: Path) -> None:
        check(batch, path, settings.objective, settings.num_class)
        check_text_labels(batch, path, settings.objective, settings.num_class)
        check_width(batch, path, most_columns(memory))

    return Checks(
        check_batch,
        lambda store, channel: check_groups(store, channel, settings.objective),
    )
