"""Read the channels of a job, as often as it takes to know what each column is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tabular.contract.channels import Channel
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.job import TrainingJob
from tabular.contract.paths import open_regular_file
from tabular.data.channel import read_channel
from tabular.data.class_labels import ClassCountError, TextLabelsError, mostly_numbers
from tabular.data.column_kinds import OddTextError, reader_of
from tabular.data.column_table import log_columns, statistics_of, warn_of_new_texts
from tabular.data.columns import Columns
from tabular.data.declared import declared_columns
from tabular.data.first_index import first_index_of
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.quoting import listed
from tabular.data.schema import to_json
from tabular.data.store import Store
from tabular.data.value_counts import TooManyTextsError
from tabular.training.rows import (
    SCHEMA,
    TRAIN,
    Checks,
    Described,
    Files,
    Share,
    Shares,
    require_rows,
)
from tabular.training.run import Run

log = logging.getLogger(__name__)


def with_schema_file(layout: Layout, job: TrainingJob) -> Layout:
    """Return the layout with the schema of the channel ``schema``, if the job has that channel.

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
    """

    channels: Mapping[str, Channel]
    checks: Checks
    memory_budget: MemoryBudget
    threads: int
    shares: Shares
    files: Files
    run: Run
    gather: Callable[[Mapping[str, Mapping[str, Any]]], Described] = lambda own: [own]

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
                agreed = agree(parts, layout, self.run.job.paths.data)
            except OddTextError as error:
                raise self._located(error, stores, layout) from error
            if isinstance(agreed, Columns):
                break
            self._require_files(sorted(agreed.texts, key=str))
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
        warn_of_new_texts(
            parts,
            agreed,
            TRAIN,
            lambda channel, column, text: self._place_of(
                agreed.names[column] if agreed.names else column, text, layout, channel
            ),
        )
        if self.run.schema_only:
            self._close(stores)
            write_schema(agreed, self.run.job.paths.output_data)
            raise SystemExit(0)
        if said := first_index_of(agreed):
            log.info("%s", said)
        return stores, described, agreed

    def _located(
        self, error: OddTextError, stores: Mapping[str, Store], layout: Layout
    ) -> UserError:
        """Read the files again to find the place of a text that does not fit its column."""
        names = next((store.names for store in stores.values() if store.names), ())
        column = cast(int, error.column)
        key: str | int = names[column] if names else column
        self._close(stores)
        if not error.text:
            return error
        place = self._place_of(key, error.text, layout)
        return UserError(f"{place}: {error}") if place else error

    def _place_of(self, key: str | int, text: str, layout: Layout, channel: str = "") -> str:
        """Return file, line and column of the first cell with a text; empty if there is none.

        Another host may have the text, and a pipe can't be read again.
        """
        if not self._may_read_again:
            return ""
        again: dict[str, Store] = {}
        try:
            self._read_once(replace(layout, refused=(key, text)), again, channel)
        except UserError as found:
            return str(found).removesuffix(": ")  # RefusedCells gives the place no words of its own
        finally:
            self._close(again)
        return ""

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
                try:
                    found = reader_of(name, error.texts, layout)
                except OddTextError as odd:
                    odd.column = error.column
                    raise self._located(odd, stores, layout) from odd
                self._require_files([key])
                log.info("reading the files again: column '%s' holds %ss as text", name, found.kind)
                layout = replace(layout, styles={**layout.styles, key: found})
                self._close(stores)
            except TextLabelsError as error:
                if layout.exact_classes or not self._may_read_again:
                    raise
                log.info(
                    "reading the files again, with the labels as text: some are not numbers that "
                    "the objective takes"
                )
                layout = replace(layout, exact_classes=True, label_fault=str(error))
                self._close(stores)
            except ClassCountError as error:
                if layout.label_fault and mostly_numbers(error.texts):
                    raise UserError(layout.label_fault) from error
                raise

    def _require_files(self, columns: Sequence[str | int]) -> None:
        """Require that the channels can be read again, for columns that were read wrongly."""
        if not self._may_read_again:
            raise UserError(
                f"the feature columns {listed([str(column) for column in columns])} turn out to be "
                "something else than their first rows, and a pipe is read once: declare the "
                "columns (hyperparameter schema), or use FastFile mode"
            )

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

    def _read_once(self, layout: Layout, stores: dict[str, Store], only: str = "") -> None:
        for name, channel in self.channels.items():
            if only and name != only:
                continue
            budget = self.memory_budget
            store = Share(budget, *self.shares[name]) if name in self.shares else Store(budget)
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
                if name == TRAIN and layout.labelled:
                    _warn_if_constant(store)


def _warn_if_constant(store: Store) -> None:
    """Warn if all rows have the same label: the model learns to answer it."""
    label = store.label
    if (label == label[0]).all():
        shown = repr(next(iter(store.classes))) if store.classes else f"{label[0]:g}"
        log.warning("all labels are %s: the model learns to answer this for any row", shown)
