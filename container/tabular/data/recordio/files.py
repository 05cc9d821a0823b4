"""RecordIO-protobuf for training."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Sparse
from tabular.data.blocks import in_order
from tabular.data.layout import Layout
from tabular.data.recordio.framing import Block, blocks_of
from tabular.data.recordio.messages import RecordError
from tabular.data.recordio.tensors import (
    NO_VALUES,
    DecodedRecords,
    other_density,
    other_width,
    read_block,
)
from tabular.data.source import BROKEN_STREAM, Source, unreadable

NAME = "recordio-protobuf"
CONTENT_TYPES = ("application/x-recordio-protobuf", "recordio-protobuf")


def read_file(source: Source, layout: Layout, threads: int) -> Iterator[Batch]:
    """Read a training file in blocks.

    Parameters
    ----------
    layout : Layout
        Must choose no column by name, because the columns have no names. ``weights`` is ignored.
    threads : int
        How many threads read blocks.

    Yields
    ------
    Batch
        About 4 MiB of the file. Sparse records become a CSR matrix with the file's own keys, which
        start from 0. Its width is the largest shape, or what the largest key needs.

    Raises
    ------
    UserError
        A record is broken, cut off, has no label, or does not have the columns of the records
        before it; the message names file, record and byte. The file has another format, or can't
        be read.
    """
    if layout.named:
        raise UserError(
            f"{source.path} is RecordIO-protobuf, whose columns have no names; remove target, "
            "weight, group, features and header from the job's settings, or use another format"
        )
    first: DecodedRecords | None = None
    columns = 0
    read = partial(_read, labelled=layout.labelled)
    try:
        with source.open() as stream:
            for block, rows in in_order(read, blocks_of(stream), threads):
                first = first or rows
                _require_same_columns(rows, first, block)
                columns = max(columns, rows.columns)
                yield _batch(rows, block.first_record)
        if first and not columns:
            raise RecordError(f"record 1 {NO_VALUES}, and so have all others", 0)
    except RecordError as error:
        raise UserError(f"{source.path} {error}") from error
    except BROKEN_STREAM as error:
        raise unreadable(source.path, error) from error


def _read(block: Block, labelled: bool) -> tuple[Block, DecodedRecords]:
    return block, read_block(block, labelled=labelled)


def _require_same_columns(rows: DecodedRecords, first: DecodedRecords, block: Block) -> None:
    """Raise RecordError when a block has other columns than the file's first block."""
    sparse = first.keys is not None
    if (rows.keys is not None) != sparse:
        empty = not sparse and rows.bounds[1] == 0
        raise block.located(RecordError(NO_VALUES if empty else other_density(sparse), 0))
    if not sparse and rows.columns != first.columns:
        raise block.located(RecordError(other_width(rows.columns, first.columns), 0))


def _batch(rows: DecodedRecords, first_record: int) -> Batch:
    features: Floats | Sparse = rows.values
    if rows.keys is not None:
        import scipy.sparse

        features = scipy.sparse.csr_matrix(
            (rows.values, rows.keys, rows.bounds.astype(np.int32)),
            shape=(len(rows.bounds) - 1, rows.columns),
        )
    label = np.zeros(len(rows.bounds) - 1, np.float32) if rows.label is None else rows.label
    return Batch(features, label, where=lambda row: f"record {first_record + row}")
