"""Read the channels of a training job, and agree on their columns."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tabular.contract.channels import Channel
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.job import TrainingJob
from tabular.contract.machine import is_tmpfs
from tabular.contract.paths import open_regular_file
from tabular.data.batch import Batch
from tabular.data.channel import no_data, read_channel
from tabular.data.class_labels import ClassCountError, TextLabelsError, mostly_numbers
from tabular.data.column_kinds import NotNumbersError, numbers_of
from tabular.data.column_table import log_columns, statistics_of, warn_of_new_texts
from tabular.data.columns import Columns, listed
from tabular.data.declared import NUMBER, DeclaredColumn, declared_columns
from tabular.data.first_index import first_index_of
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.listing import FileState, files_of
from tabular.data.memory_budget import MemoryBudget
from tabular.data.schema import to_json
from tabular.data.store import Store
from tabular.data.value_counts import TooManyTextsError
from tabular.training.run import Run

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


def with_schema_file(layout: Layout, job: TrainingJob) -> Layout:
    """Return the layout with the schema of the channel ``schema``, if the job has that channel.

    Parameters
    ----------
    skip_empty_first : bool
        See ``unite``.

    Raises
    ------
    UserError
        The channel has no ``schema.json``, the file is no schema, or the job also has the
        hyperparameter ``schema``.
    """
    channel = job.channels.get(SCHEMA)
    if channel is None:
        return layout
    path = channel.path / "schema.json"
    if layout.declared:
        raise UserError(
            f"the job has the hyperparameter schema and the channel {SCHEMA} ({path}); give one"
        )
    try:
        with open_regular_file(path) as file:
            text = file.read().decode()
    except (OSError, ValueError) as error:
        raise UserError(f"channel '{SCHEMA}': {path} can't be read: {error}") from error
    return replace(layout, declared=declared_columns(text, str(path)))


def write_schema(columns: Columns, folder: Path) -> None:
    """Write ``schema.json``, which a job may take in its channel ``schema`` after editing.

    The texts of each column of categories are in it: delete them to allow others.

    Raises
    ------
    PlatformError
        The folder can't be written.
    """
    content = {"columns": to_json(columns)["columns"]}
    for column, texts in columns.categories.items():
        content["columns"][column]["categories"] = list(texts)
    path = folder / "schema.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise PlatformError(f"{path} can't be written: {error.strerror}") from error
    log.info("wrote the schema to %s; no model is trained", path)


@dataclass(frozen=True)
class ChannelReader:
    """Reads the channels of a job, as often as the kinds of the columns need.

    Attributes
    ----------
    gather : callable
        Returns the descriptions of all hosts, given that of this host.
    skip_empty_first : bool
        See ``agree``.
    """

    channels: Mapping[str, Channel]
    checks: Checks
    memory_budget: MemoryBudget
    threads: int
    shares: Shares
    files: Files
    run: Run
    gather: Callable[[Mapping[str, Mapping[str, Any]]], Described] = lambda own: [own]
    skip_empty_first: bool = False

    def read(self, layout: Layout) -> tuple[dict[str, Store], Described, Columns]:
        """Read the channels, and agree with the other hosts on the columns.

        The files are read once, and again if a column of numbers has text after its first rows.

        Returns
        -------
        stores : dict of str to Store
            The rows of this host, by channel.
        described : sequence of mappings
            The descriptions of all hosts.
        columns : Columns

        Raises
        ------
        UserError
            A file is broken, no host has rows of a channel, or the columns do not fit each other.
        SystemExit
            The job writes the schema only (``train --schema-only``).
        """
        layout = replace(with_schema_file(layout, self.run.job), deferred=True)
        while True:
            stores, layout = self._read_texts(layout)
            described = self.gather(
                {
                    name: {
                        **store.describe(name),
                        "exact": layout.exact_classes,
                        "label_fault": layout.label_fault,
                    }
                    for name, store in stores.items()
                }
            )
            require_rows(described, self.channels)
            parts = [part for host in described for part in host.values() if part["rows"]]
            parts.sort(key=lambda part: part["name"] != TRAIN)
            if self._labels_differ(parts, layout):
                log.info("reading the files again: other hosts or channels have labels of text")
                self._close(stores)
                layout = replace(layout, exact_classes=True)
                continue
            try:
                agreed = agree(parts, layout, self.run.job.paths.data, self.skip_empty_first)
            except NotNumbersError as error:
                raise self._located(error, stores, layout) from error
            if isinstance(agreed, Columns):
                break
            log.info(
                "reading the files again: %s %s text after the first rows",
                listed([str(key) for key in sorted(agreed.texts, key=str)]),
                "has" if len(agreed.texts) == 1 else "have",
            )
            self._close(stores)
            layout = replace(layout, texts=agreed.texts)
        for store in stores.values():
            store.seal(agreed)
        agreed = replace(agreed, statistics=statistics_of(parts, agreed))
        log_columns(agreed)
        warn_of_new_texts(parts, agreed, TRAIN)
        if self.run.schema_only:
            self._close(stores)
            write_schema(agreed, self.run.job.paths.output_data)
            raise SystemExit(0)
        if said := first_index_of(agreed):
            log.info("%s", said)
        return stores, described, agreed

    def _located(
        self, error: NotNumbersError, stores: Mapping[str, Store], layout: Layout
    ) -> UserError:
        """Read the files again to find the line of a text in a column of numbers."""
        names = next((store.names for store in stores.values() if store.names), ())
        column = cast(int, error.column)
        key: str | int = names[column] if names else column
        for store in stores.values():
            store.close()
        numbers = {**layout.declared, key: DeclaredColumn(NUMBER)}
        again: dict[str, Store] = {}
        try:
            self._read_once(replace(layout, declared=numbers), again)
        except UserError as found:
            return UserError(f"{found} ({error})")
        finally:
            for store in again.values():
                store.close()
        return error  # another host has the text

    def _read_texts(self, layout: Layout) -> tuple[dict[str, Store], Layout]:
        """Read the channels; read columns with too many texts again as numbers.

        Labels that are not numbers are read again as text.
        """
        while True:
            stores: dict[str, Store] = {}
            try:
                self._read_once(layout, stores)
                return stores, layout
            except TooManyTextsError as error:
                names = next(store.names for store in reversed(stores.values()))
                key: str | int = names[error.column] if names else error.column
                name = str(key) if names else f"number {error.column + 1}"
                found = numbers_of(name, error.texts, layout)
                log.info("reading the files again: column '%s' holds numbers as text", name)
                layout = replace(layout, styles={**layout.styles, key: found})
                self._close(stores)
            except TextLabelsError as error:
                if layout.exact_classes or not self._may_read_again:
                    raise
                log.info("reading the files again: the labels are read as text (%s)", error)
                layout = replace(layout, exact_classes=True, label_fault=str(error))
                self._close(stores)
            except ClassCountError as error:
                if layout.label_fault and mostly_numbers(error.texts):
                    raise UserError(layout.label_fault) from error
                raise

    @property
    def _may_read_again(self) -> bool:
        return all(channel.input_mode == "File" for channel in self.channels.values())

    def _labels_differ(self, parts: Sequence[Mapping[str, Any]], layout: Layout) -> bool:
        """Return whether labels that some host read as numbers must be read again as text.

        The answer is the same on all hosts: they read again together.
        """
        if not (layout.text_labels and self._may_read_again):
            return False
        has_text = any(part["classes"] is not None for part in parts)
        return has_text and not all(part["exact"] for part in parts)

    def _close(self, stores: Mapping[str, Store]) -> None:
        for store in stores.values():
            store.close()

    def _read_once(self, layout: Layout, stores: dict[str, Store]) -> None:
        for name, channel in self.channels.items():
            budget = self.memory_budget
            store = _Share(budget, *self.shares[name]) if name in self.shares else Store(budget)
            before = stores.get(TRAIN)
            stores[name] = store
            if before is not None and before.rows and layout.texts is None:
                layout = replace(layout, texts=before.text_keys)
            read = read_channel(
                channel,
                layout,
                store,
                self.threads,
                self.checks.batch,
                before.names if before else (),
                before=self.files[name],
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
            if store.rows:
                self.checks.store(store, name)


def scratch_folder(job: TrainingJob) -> Path:
    """Return the folder for rows that do not fit into memory; on a disk, if possible."""
    candidates = [Path(tempfile.gettempdir()), job.paths.output, job.paths.model]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and not is_tmpfs(folder):
            return folder
    return candidates[0]


class _Share(Store):
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
