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
from tabular.contract.machine import in_memory
from tabular.data.batch import Batch
from tabular.data.channel import no_data, read_channel
from tabular.data.columns import Columns, first_index_of, unite
from tabular.data.csv.text import number_of
from tabular.data.layout import Layout
from tabular.data.listing import FileState, files_of
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

log = logging.getLogger(__name__)

TRAIN, VALIDATION = "train", "validation"
# If all hosts have the same files, they divide the rows in groups of this size.
SHARED_ROWS = 64
# For each channel: its files, as they were listed at the start of the job.
Files: TypeAlias = Mapping[str, Mapping[Path, FileState]]
# For each channel that several hosts have in full: the rank of this host, and the number of hosts.
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
        if name not in (TRAIN, VALIDATION, "code"):
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
    """The checks of an algorithm: they raise UserError for rows that it can't be trained on.

    Attributes
    ----------
    batch : callable
        Called with each batch of rows and its file.
    store : callable
        Called with all rows of a channel and its name.
    """

    batch: Callable[[Batch, Path], None] = lambda batch, path: None
    store: Callable[[Store, str], None] = lambda store, channel: None


def read_rows(
    channels: Mapping[str, Channel],
    layout: Layout,
    checks: Checks,
    memory_budget: MemoryBudget,
    threads: int,
    shares: Shares,
    files: Files,
) -> dict[str, Store]:
    """Read the channels.

    Parameters
    ----------
    shares : mapping of str to (int, int)
        For each channel that several hosts have in full: the rank of this host, and the number of
        hosts. Each host takes its share of the rows.
    files : mapping of str to mapping of Path to FileState
        The files of each channel, as returned by ``list_files``.

    Raises
    ------
    UserError
        A file is broken, or a check refuses its rows; the message names the file.
    """
    stores: dict[str, Store] = {}
    for name, channel in channels.items():
        store = _Share(memory_budget, *shares[name]) if name in shares else Store(memory_budget)
        names = stores[TRAIN].names if TRAIN in stores else ()
        read = read_channel(
            channel, layout, store, threads, checks.batch, names, before=files[name]
        )
        log.info(
            "channel '%s': %d rows, %d feature columns, %d file%s%s",
            name,
            store.rows,
            store.width,
            len(read),
            "s" * (len(read) != 1),
            ", on disk" if store.on_disk else "",
        )
        stores[name] = store
        if store.rows:
            checks.store(store, name)
    return stores


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
                f"channel '{name}': the weight of every row is 0, so that no row counts; give "
                "some rows a weight above 0, or leave the weights out"
            )


def seal(
    stores: Mapping[str, Store],
    described: Described,
    folder: Path,
    skip_empty_first: bool = False,
) -> Columns:
    """Agree on the columns of all channels and hosts, and apply them to the stores of this host.

    Parameters
    ----------
    skip_empty_first : bool
        See ``unite``.

    Raises
    ------
    UserError
        The columns of the channels do not fit each other.
    """
    parts = [part for host in described for part in host.values() if part["rows"]]
    ordered = sorted(parts, key=lambda part: part["name"] != TRAIN)
    columns = unite(ordered, folder, skip_empty_first)
    for store in stores.values():
        store.seal(columns)
    for column, texts in columns.categories.items():
        name = columns.names[column] if columns.names else f"number {column + 1}"
        numbers = sum(number_of(text) is not None for text in texts)
        log.info("feature column '%s' has %d categories", name, len(texts))
        if 2 * numbers > len(texts) > numbers:
            odd = next(text for text in texts if number_of(text) is None)
            log.warning(
                "column '%s' is text because of cells such as %r; most are numbers", name, odd[:40]
            )
    if said := first_index_of(columns):
        log.info("%s", said)
    return columns


def scratch_folder(job: TrainingJob) -> Path:
    """Choose the folder for rows that do not fit into memory: on a disk, if one can be written."""
    candidates = [Path(tempfile.gettempdir()), job.paths.output, job.paths.model]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and not in_memory(folder):
            return folder
    return candidates[0]


class _Share(Store):
    """The share of one host, if all hosts have the same files."""

    def __init__(self, memory_budget: MemoryBudget, place: int, hosts: int) -> None:
        super().__init__(memory_budget)
        self._place, self._hosts = place, hosts

    def append(self, batch: Batch, path: Path, pick: npt.NDArray[np.bool_] | None = None) -> None:
        """Add the rows of this host's share; query groups are not split."""
        if batch.qid is not None:
            part = (batch.qid.astype(np.uint64) * np.uint64(SPREAD)) >> np.uint64(16)
        else:
            part = np.arange(self.read, self.read + len(batch), dtype=np.uint64) // SHARED_ROWS
        mine: npt.NDArray[np.bool_] = part % np.uint64(self._hosts) == self._place
        super().append(batch, path, mine)
