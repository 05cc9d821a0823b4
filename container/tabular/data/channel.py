"""Read all files of a training channel into a store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Sparse
from tabular.data.blocks import LineTooLongError
from tabular.data.columns import without_numbers
from tabular.data.formats import FORMATS, Format, base_of, format_of, guess, has_header
from tabular.data.layout import Layout
from tabular.data.listing import FileState, files_of, require_unchanged
from tabular.data.pipe import open_pipe
from tabular.data.source import BROKEN_STREAM, Source, unreadable
from tabular.data.spelling import missing_numbers
from tabular.data.store import Store

log = logging.getLogger(__name__)

# The channels' names in the messages of AWS's container.
AWS_NAMES = {"train": "training"}
# SageMaker makes one FIFO per epoch, train_0, train_1, ... The rows are kept, so one is read.
EPOCH = 0
LOOKED_AT_BYTES = 1 << 16

Check = Callable[[Batch, Path], None]


def read_channel(
    channel: Channel,
    layout: Layout,
    store: Store,
    threads: int,
    check: Check,
    names: Sequence[str] = (),
    before: Mapping[Path, FileState] | None = None,
) -> list[Path]:
    """Read every file of a channel, sorted by path, into a store.

    Parameters
    ----------
    layout : Layout
        Which columns are label, weight, group and features.
    threads : int
        How many threads parse.
    check : callable
        Called with each batch and its file; raises UserError for rows that training can't use.
    names : sequence of str
        The order of the features in the channels before, for files with names.
    before : mapping of Path to FileState, or None
        An earlier listing of the channel's files; None lists them now.

    Returns
    -------
    list of Path
        The files read. A channel without rows is not an error here; ``no_data`` makes the error.

    Raises
    ------
    UserError
        The channel has an unknown content type, a broken file, or a file that was changed,
        added or deleted while the channel was read. Pipe mode has no files to compare.
    """
    if channel.content_type and has_header(channel.content_type):
        layout = replace(layout, header=True)
    # A pipe is read once.
    layout = replace(layout, deferred=layout.deferred and channel.input_mode == "File")
    if before is None:
        before = files_of(channel) if channel.input_mode == "File" else {}
    sources: list[Source] = []
    try:
        form = _format(channel, list(before), layout)
        if form.name == "libsvm" and channel.content_type:
            store.base = base_of(channel.content_type)
        sources = _sources(channel, form, list(before))
        for source in sources:
            for batch in _batches(form, source, layout, threads):
                _require_base(batch, source.path, store.base)
                check(batch, source.path)
                batch = _ordered(batch, store.names or names)
                store.append(_as_read(batch, store, layout), source.path)
                if layout.texts is None and form.has_text:
                    # The first rows decide for all files; see ``inference``.
                    layout = replace(layout, texts=store.text_keys)
                if layout.styles and not store.styles:
                    keys: Sequence[str | int] = store.names or range(store.width)
                    store.styles = {
                        column: layout.styles[key]
                        for column, key in enumerate(keys)
                        if key in layout.styles
                    }
    except Exception as error:
        # A file that is truncated or replaced while it is read may look broken, so the change is
        # the error to report.
        if channel.input_mode == "File":
            _require_unchanged(channel, before, error)
        raise
    if channel.input_mode == "File":
        require_unchanged(channel, before)
    return [source.path for source in sources]


def _require_unchanged(
    channel: Channel, before: Mapping[Path, FileState], fault: Exception
) -> None:
    try:
        require_unchanged(channel, before)
    except UserError as error:
        raise UserError(f"{error} (the first fault found in it: {fault})") from fault


def _require_base(batch: Batch, path: Path, base: int | None) -> None:
    """Require that indices are not below the first one that the content type declares."""
    if base and batch.lowest_index is not None and batch.lowest_index < base:
        features = cast(Sparse, batch.features)
        (places,) = (features.indices < base).nonzero()
        row = int(features.indptr.searchsorted(places[0], "right")) - 1 if len(places) else None
        where = "" if row is None else f" {batch.where(row)}"
        raise UserError(
            f"{path}{where} has the index {batch.lowest_index}, and the channel's content type "
            f"says base={base}; declare base=0, or count the indices from 1"
        )


def _ordered(batch: Batch, names: Sequence[str]) -> Batch:
    """Put features with the names ``names`` in that order; leave features with other names."""
    if list(batch.names) == list(names) or sorted(batch.names) != sorted(names):
        return batch
    places = [batch.names.index(name) for name in names]
    return replace(
        batch,
        features=cast(Floats, batch.features)[:, places],
        names=names,
        odd=frozenset(column for column, place in enumerate(places) if place in batch.odd),
        categories={
            column: batch.categories[place]
            for column, place in enumerate(places)
            if place in batch.categories
        },
        dates={
            column: batch.dates[place]
            for column, place in enumerate(places)
            if place in batch.dates
        },
    )


def _as_read(batch: Batch, store: Store, layout: Layout) -> Batch:
    """Return a batch as the store keeps it.

    Numbers that mean a missing value become NaN, and columns of text that the batches before have
    as numbers are marked.
    """
    numbers = missing_numbers(layout.missing)
    if numbers and isinstance(batch.features, np.ndarray):
        features = without_numbers(batch.features, numbers, {*batch.categories, *batch.dates})
        batch = replace(batch, features=features)
    if not (layout.deferred and store.rows and isinstance(batch.features, np.ndarray)):
        return batch
    odd = batch.categories.keys() - store.categories.keys()
    odd |= batch.dates.keys() - set(store.dates)  # the files before may have no date yet
    nothing = np.full(len(batch), np.nan)
    empty = {
        column: nothing
        for column in set(store.dates) - batch.dates.keys()
        if column in odd or np.isnan(batch.features[:, column]).all()
    }
    if not (odd or empty):
        return batch
    features = batch.features.copy()
    features[:, list(odd)] = np.nan
    texts = {column: found for column, found in batch.categories.items() if column not in odd}
    dates = {column: found for column, found in batch.dates.items() if column not in odd}
    return replace(
        batch,
        features=features,
        categories=texts,
        dates={**dates, **empty},
        odd=batch.odd | odd,
    )


def _format(channel: Channel, paths: list[Path], layout: Layout) -> Format:
    if channel.content_type:
        try:
            return format_of(channel.content_type)
        except UserError as error:
            raise UserError(f"channel '{channel.name}': {error}") from error
    if channel.input_mode == "Pipe":
        raise UserError(
            f"channel '{channel.name}' has no ContentType, which Pipe mode needs; name it "
            "(text/csv, application/x-recordio-protobuf, ...)"
        )
    if not paths:
        return FORMATS[0]
    try:
        with Source(paths[0]).open() as stream:
            form = guess(stream.read(LOOKED_AT_BYTES), layout.named)
    except BROKEN_STREAM as error:
        raise unreadable(paths[0], error) from error
    log.info(
        "channel '%s' has no ContentType: %s looks like %s; if it is not, name the ContentType in "
        "inputdataconfig.json",
        channel.name,
        paths[0],
        form.name,
    )
    return form


def _sources(channel: Channel, form: Format, paths: list[Path]) -> list[Source]:
    if channel.input_mode == "File":
        return [Source(path) for path in paths]
    if channel.input_mode != "Pipe":
        raise UserError(
            f"channel '{channel.name}' has TrainingInputMode {channel.input_mode}, expected File, "
            "FastFile or Pipe"
        )
    if not form.pipe:
        raise UserError(
            f"Pipe mode not supported for {form.aws_name}. channel '{channel.name}': use FastFile, "
            "which streams from S3 as well, or File"
        )
    fifo = channel.path.with_name(f"{channel.name}_{EPOCH}")
    wrapped = channel.record_wrapper == "RecordIO" and form.unwrapped
    return [Source(fifo, lambda: open_pipe(fifo, wrapped))]


def _batches(form: Format, source: Source, layout: Layout, threads: int) -> Iterator[Batch]:
    if form.read_file is None:
        raise UserError(
            f"{source.path} is {form.aws_name}, which is for requests; train with CSV, Parquet, "
            "LIBSVM or RecordIO-Protobuf, and give the channel that content type"
        )
    try:
        yield from form.read_file(source, layout, threads)
    except LineTooLongError as error:
        raise UserError(f"{source.path} {error}") from error
    except BROKEN_STREAM as error:
        raise unreadable(source.path, error) from error


def channel_files(channel: Channel) -> list[Path]:
    """Return a channel's files, sorted by path; see ``listing.files_of``."""
    return list(files_of(channel))


def no_data(channel: Channel) -> UserError:
    """Return the error for an empty channel, which begins with the words of AWS's container."""
    if channel.input_mode == "Pipe":
        state = "the pipe brought no row"
    elif not channel.path.is_dir():
        state = "the folder does not exist"
    else:
        sizes = [path.stat().st_size for path in channel.path.rglob("[!._]*") if path.is_file()]
        state = "the folder holds only empty files" if sizes else "the folder holds no data file"
        if any(sizes):
            state = "its files hold no row"
    return UserError(
        f"No data in {AWS_NAMES.get(channel.name, channel.name)} channel path {channel.path}: "
        f"{state}; check the channel's S3 prefix or local folder"
    )
