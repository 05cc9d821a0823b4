"""Read LIBSVM for training, one row per line.

A line is ``label[:weight] [qid:group] index:value index:value ...  # comment``. ``tokens`` reads
blocks with NumPy and Arrow. ``lines`` reads what ``tokens`` can't, and names line and token of a
fault. Both give the same rows.

A value is missing when it is ``nan`` or absent. Indices may come in any order. Either all rows of a
file have a weight, or none; the same for groups. (In a file where only some rows have a weight,
XGBoost's own reader takes the missing ones from memory after the array.)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Integers, Sparse
from tabular.data.blocks import BYTE_ORDER_MARK, Block, blocks_of, in_order
from tabular.data.layout import Layout
from tabular.data.libsvm.lines import LineError, blank, rows_of, uneven
from tabular.data.libsvm.tokens import BLOCK_BYTES, COMMENT, tokens_of
from tabular.data.source import Source

NAME = "libsvm"
CONTENT_TYPES = ("text/libsvm", "text/x-libsvm", "libsvm")

log = logging.getLogger(__name__)

# An index with a colon and no value, after the label.
EMPTY_VALUE = re.compile(rb"(?<=[^ \t\r\n])[ \t]+([0-9]+:)(?=[ \t\r\n]|\Z)")
EXCERPT = 50  # characters of the first line, as in AWS's message


class _CsrArrays(NamedTuple):
    """The rows of a block in CSR form; the indices of a row have the order of its line."""

    label: Floats
    weight: Floats | None
    qid: Integers | None
    ends: Integers
    indices: npt.NDArray[np.int32]
    values: Floats


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
        A CSR matrix with the file's own indices, sorted, without missing values. An index whose
        values are all ``nan`` still counts for the width and the lowest index.

    Raises
    ------
    UserError
        A line can't be read, or only some rows have a weight or a group. The message names file,
        line and token.
    """
    path = source.path
    if layout.named:
        raise UserError(
            f"{path} is LIBSVM, whose columns have no names; remove target, weight, group, "
            "features and header from the job's settings (a weight is written label:weight, a "
            "group qid:group), or use another format"
        )
    first: Batch | None = None
    empty = _EmptyValues(path)
    with source.open() as stream:
        blocks = blocks_of(stream, BLOCK_BYTES)
        for batch in in_order(partial(_batch_of, path, empty), blocks, threads):
            if not len(batch):
                continue
            first = first or batch
            for name, mine, others in (
                ("weight", batch.weight, first.weight),
                ("group", batch.qid, first.qid),
            ):
                if (mine is None) != (others is None):
                    reason = uneven(name, mine is not None)
                    raise UserError(f"{path} {batch.where(0)}: {reason}")
            yield batch


class _EmptyValues:
    """Reads tokens such as ``3:`` as 0, as AWS's container does; warns once for a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = False

    def filled(self, block: Block) -> Block | None:
        """Return a block with the zeros; None if it has no such token."""
        content = block.content
        if not EMPTY_VALUE.search(content):
            return None
        content = COMMENT.sub(b"", content)
        found = EMPTY_VALUE.search(content)
        if not found:
            return None
        if not self._said:
            self._said = True
            log.warning(
                "%s line %d has an index without a value (%s), which is read as 0, as in AWS's "
                "container; leave the index out if the value is missing",
                self._path,
                block.first_line + content.count(b"\n", 0, found.end()),
                found[1].decode(),
            )
        return Block(EMPTY_VALUE.sub(rb"\g<0>0", content), block.first_line)


def _batch_of(path: Path, empty: _EmptyValues, block: Block) -> Batch:
    content = block.content
    if block.first_line == 1:
        content = content.removeprefix(BYTE_ORDER_MARK)
    where = partial(_where, content, block.first_line)
    try:
        return _batch(_fast_rows(content), where)
    except ValueError:  # pyarrow.ArrowInvalid is one
        block = Block(content, block.first_line)
        filled = empty.filled(block)
        if filled is not None:
            try:
                return _batch(_fast_rows(filled.content), where)
            except ValueError:
                pass
        return _batch(_plain_rows(path, block), where)


def _where(content: bytes, first_line: int, row: int) -> str:
    lines = enumerate(content.split(b"\n"), start=first_line)
    numbers = (number for number, line in lines if not blank(line))
    return f"line {next(islice(numbers, row, None))}"


def _batch(rows: _CsrArrays, where: Callable[[int], str]) -> Batch:
    """Sort each row's indices and drop missing values; ValueError if a row has an index twice."""
    from scipy.sparse import csr_matrix

    width = int(rows.indices.max(initial=-1)) + 1
    lowest = int(rows.indices.min()) if width else None
    shape = (len(rows.label), width)
    features = csr_matrix((rows.values, rows.indices, rows.ends), shape=shape)
    if not _ascending(features):
        features.sort_indices()
        if not _ascending(features):
            raise ValueError
    missing = np.isnan(features.data)
    if missing.any():
        kept = np.zeros(len(missing) + 1, np.int32)
        np.cumsum(~missing, out=kept[1:])
        arrays = features.data[~missing], features.indices[~missing], kept[features.indptr]
        features = csr_matrix(arrays, shape=shape)
    return Batch(features, rows.label, rows.weight, rows.qid, lowest_index=lowest, where=where)


def _ascending(features: Sparse) -> bool:
    indices = features.indices
    begins = np.zeros(len(indices) + 1, np.bool_)
    begins[features.indptr] = True
    return bool(((indices[1:] > indices[:-1]) | begins[1:-1]).all()) if len(indices) else True


def _fast_rows(content: bytes) -> _CsrArrays:
    tokens = tokens_of(content)
    labels = np.flatnonzero(tokens.first)
    weight = qid = None
    heads = 1  # tokens before the first index
    weighted = tokens.paired[labels]
    if weighted.any():
        if not weighted.all():
            raise ValueError
        weights = tokens.values[labels + 1]
        weight = _finite(weights)
        if (weights < 0).any():
            raise ValueError
        heads += 1
    named = tokens.paired & ~tokens.first
    if len(tokens.groups):
        if not np.array_equal(tokens.groups, labels + heads):
            raise ValueError
        qid = tokens.int64(tokens.groups + 1)
        named[tokens.groups] = False
        heads += 2
    at = np.flatnonzero(named)
    ends = np.zeros(len(labels) + 1, np.int64)
    np.cumsum((np.diff(labels, append=len(named)) - heads) // 2, out=ends[1:])
    return _CsrArrays(
        label=_finite(tokens.values[labels]),
        weight=weight,
        qid=qid,
        ends=ends,
        indices=tokens.indices(at).astype(np.int32),
        values=_finite(tokens.values[at + 1], missing=True),
    )


def _finite(numbers: npt.NDArray[np.float64], missing: bool = False) -> Floats:
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    if not (np.isfinite(small) | np.isnan(small) if missing else np.isfinite(small)).all():
        raise ValueError
    return small


def _plain_rows(path: Path, block: Block) -> _CsrArrays:
    try:
        rows = list(rows_of(block.content, block.first_line))
    except LineError as error:
        raise UserError(_explained(path, block, error)) from error
    weights = [row.weight for row in rows if row.weight is not None]
    groups = [row.qid for row in rows if row.qid is not None]
    return _CsrArrays(
        label=np.array([row.label for row in rows], np.float32),
        weight=np.array(weights, np.float32) if weights else None,
        qid=np.array(groups, np.int64) if groups else None,
        ends=np.cumsum([0, *(len(row.pairs) for row in rows)]),
        indices=np.array([index for row in rows for index in row.pairs], np.int32),
        values=np.array([value for row in rows for value in row.pairs.values()], np.float32),
    )


def _explained(path: Path, block: Block, error: LineError) -> str:
    lines = block.content.split(b"\n")
    at = error.line - block.first_line
    if not error.malformed or block.first_line > 1 or not all(map(blank, lines[:at])):
        return f"{path} {error}"
    text = lines[at].decode("utf-8", errors="replace")[:EXCERPT]
    start = "".join(letter if letter.isprintable() else " " for letter in text)
    return (  # the first two sentences are those of AWS's container
        f"First line '{start}...' of file '{path.name}' is not 'LIBSVM' format. Please ensure "
        f"the file is in 'LIBSVM' format. {path} {error}"
    )
