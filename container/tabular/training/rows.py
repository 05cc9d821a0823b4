"""Read the channels of a training job, and agree on their columns."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.job import TrainingJob
from tabular.contract.machine import is_tmpfs
from tabular.data.batch import Batch
from tabular.data.channel import no_data
from tabular.data.listing import FileState, files_of
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

log = logging.getLogger(__name__)

TRAIN, VALIDATION, SCHEMA = "train", "validation", "schema"
# If all hosts have the same files, each host takes every n-th group of this many rows.
SHARED_ROWS = 64
# For each channel: its files, as they were listed at the start of the job.
Files: TypeAlias = Mapping[str, Mapping[Path, FileState]]
# For each channel of which each host has all files: this host's rank, and the number of hosts.
Shares: TypeAlias = Mapping[str, tuple[int, int]]
# For each host: the result of ``Store.describe``, by channel.
Described: TypeAlias = Sequence[Mapping[str, Mapping[str, Any]]]
# The factor of Knuth's multiplicative hash, which distributes query groups over hosts.
SPREAD = 2654435761


def choose_channels(job: TrainingJob) -> dict[str, Channel]:
    """Return the channels ``train`` and ``validation``, and warn of channels that are not used.

    Raises
    ------
    UserError
        There is no channel ``train``.
    """
    if TRAIN not in job.channels:
        there = ", ".join(job.channels) or "none"
        raise UserError(
            f"Missing required channel: {TRAIN} (channels given: {there}); name the channel "
            f"'{TRAIN}', or put the files into {job.paths.data / TRAIN}"
        )
    for name in job.channels:
        if name not in (TRAIN, VALIDATION, SCHEMA, "code"):
            log.warning("channel '%s' is not used: training reads train and validation", name)
    chosen = {name: job.channels[name] for name in (TRAIN, VALIDATION) if name in job.channels}
    validation = chosen.get(VALIDATION)
    if validation and not validation.content_type:
        # AWS's container uses the content type of train for both channels.
        chosen[VALIDATION] = replace(validation, content_type=chosen[TRAIN].content_type)
    return chosen


def list_files(channels: Mapping[str, Channel]) -> Files:
    """List the files of each channel. At the end of reading, they are compared with this list.

    Raises
    ------
    UserError
        A file or folder can't be read.
    """
    return {
        name: files_of(channel) if channel.input_mode == "File" else {}
        for name, channel in channels.items()
    }


@dataclass(frozen=True)
class Checks:
    """The checks of an algorithm. They raise UserError for rows that can't be used for training.

    Attributes
    ----------
    batch : callable
        Called with each batch of rows and its file.
    store : callable
        Called with all rows of a channel and its name.
    """

    batch: Callable[[Batch, Path], None] = lambda batch, path: None
    store: Callable[[Store, str], None] = lambda store, channel: None


def require_rows(described: Described, channels: Mapping[str, Channel]) -> None:
    """Require that each channel has rows on some host, and a weight above 0 for some row.

    Raises
    ------
    UserError
        A channel has no such rows; the message names the channel.
    """
    for name, channel in channels.items():
        if not any(host[name]["rows"] for host in described if name in host):
            raise no_data(channel)
        weights = [
            host[name]["weight"] for host in described if name in host and host[name]["rows"]
        ]
        if all(weight == 0 for weight in weights):
            raise UserError(
                f"channel '{name}': the weight of every row is 0, so there is nothing to learn; "
                "give some rows a weight above 0, or leave the weights out"
            )


def scratch_folder(job: TrainingJob) -> Path:
    """Return the folder for rows that do not fit into memory; on a disk, if possible."""
    candidates = [Path(tempfile.gettempdir()), job.paths.output, job.paths.model]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and not is_tmpfs(folder):
            return folder
    return candidates[0]


class Share(Store):
    """The rows of one host, if all hosts have the same files."""

    def __init__(self, memory_budget: MemoryBudget, rank: int, hosts: int) -> None:
        super().__init__(memory_budget)
        self._rank, self._hosts = rank, hosts

    def append(self, batch: Batch, path: Path, pick: npt.NDArray[np.bool_] | None = None) -> None:
        """Add the rows of this host. Query groups are not split."""
        if batch.qid is not None:
            part = (batch.qid.astype(np.uint64) * np.uint64(SPREAD)) >> np.uint64(16)
        else:
            part = np.arange(self.read, self.read + len(batch), dtype=np.uint64) // SHARED_ROWS
        mine: npt.NDArray[np.bool_] = part % np.uint64(self._hosts) == self._rank
        super().append(batch, path, mine)
