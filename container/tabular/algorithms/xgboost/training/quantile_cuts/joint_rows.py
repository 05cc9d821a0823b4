"""The training rows of all hosts, block by block, in the order in which a single host reads them.

Every host of the collective calls these functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xgboost import collective

from tabular.algorithms.xgboost.training.collectives import allgather_json, allreduce_sum
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.data.store import Store

# A host holds two or three copies of a block while it is sent.
BLOCK_BYTES = 32 << 20

Positions = npt.NDArray[np.int64]


def global_positions(store: Store, folder: Path) -> Positions:
    """Return the positions that this host's rows would have on a single host.

    Parameters
    ----------
    folder : Path
        The folder of the channel: a single host reads the files of all hosts, sorted by their
        path below it.

    Returns
    -------
    int64 array, (rows,)
        Ascending, because this host has read its own files in that order too.
    """
    files = [(os.path.relpath(path, folder), count) for path, count in store.files]
    partial = store.positions is not None
    by_host = allgather_json([partial, files])
    current = collective.get_rank()
    if partial:
        # Hosts with the same files have each listed all of these files. The files count once, for
        # the first of these hosts.
        current = by_host.index(by_host[current])
    ordered = sorted(
        (PurePath(name), host, number, count)
        for host, listing in enumerate(by_host)
        if not listing[0] or by_host.index(listing) == host
        for number, (name, count) in enumerate(listing[1])
    )
    starts, position = np.zeros(len(files), np.int64), 0
    for _, host, number, count in ordered:
        if host == current:
            starts[number] = position
        position += count
    own = np.arange(store.rows) if store.positions is None else store.positions
    before = np.cumsum([0, *(count for _, count in files)])[:-1]
    file = np.searchsorted(before, own, "right") - 1
    return cast(Positions, own + (starts - before)[file])


def allgather_blocks(
    store: Store, positions: Positions, rows: int, values: int, piece: int
) -> Iterator[tuple[Any, Floats | None]]:
    """Yield the rows of all hosts.

    Parameters
    ----------
    positions : int64 array, (rows of this host,)
        See ``global_positions``.
    rows, values : int
        The numbers of all hosts.
    piece : int
        Bytes of this host's rows that are read at a time.

    Yields
    ------
    (float32 array or CSR matrix, (rows, columns), float32 array, (rows,), or None)
        The features of the next rows, bit for bit, and their weights.
    """
    width = cast(Columns, store.columns).count
    # A sparse value takes 8 bytes with its column index.
    row_bytes = 8 * values / rows if store.sparse else 4 * width
    step = max(1, int(BLOCK_BYTES / max(row_bytes, 1)))
    ends = np.searchsorted(positions, np.arange(0, rows + step, step))
    weight, weighted = store.weight, allreduce_sum([store.weight is not None])[0] > 0
    if weighted and weight is None:
        weight = np.ones(store.rows, np.float32)
    reader = _FeatureReader(store, piece)
    for number, first in enumerate(range(0, rows, step)):
        own = slice(ends[number], ends[number + 1])
        places = positions[own] - first
        count = min(step, rows - first)
        pieces = reader.take(len(places))
        block = (_sparse if store.sparse else _dense)(pieces, places, (count, width))
        yield block, None if weight is None else _dense([weight[own]], places, (count,))


def _dense(pieces: Sequence[Floats], places: Positions, shape: tuple[int, ...]) -> Floats:
    # Sum the bits as integers: a value is on one host and zero on the others, so the sum is exact.
    block = np.zeros(shape, np.uint32)
    done = 0
    for piece in pieces:
        block[places[done : done + len(piece)]] = np.ascontiguousarray(piece).view(np.uint32)
        done += len(piece)
    return allreduce_sum(block).view(np.float32)


def _sparse(pieces: Sequence[Any], places: Positions, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix, vstack

    rows = vstack([*pieces, csr_matrix((0, shape[1]), dtype=np.float32)], format="csr")
    own_counts = np.diff(rows.indptr)
    counts = np.zeros(shape[0], np.int64)
    counts[places] = own_counts
    starts = np.concatenate(([0], np.cumsum(allreduce_sum(counts))))
    # The place of each of this host's values in the block.
    at = np.arange(rows.nnz) + np.repeat(starts[places] - rows.indptr[:-1], own_counts)
    block = np.zeros((2, starts[-1]), np.uint32)
    block[0, at] = rows.data.view(np.uint32)
    block[1, at] = rows.indices
    values, indices = allreduce_sum(block)
    return csr_matrix((values.view(np.float32), indices.view(np.int32), starts), shape=shape)


class _FeatureReader:
    """Reads a store's features from the first row on, any number of rows at a time."""

    def __init__(self, store: Store, piece: int) -> None:
        self._pieces = (features for _, features in store.features(piece))
        self._piece: Any = None
        self._at = 0

    def take(self, count: int) -> list[Any]:
        """Return the features of the next rows, in pieces."""
        taken = []
        while count:
            if self._piece is None:
                self._piece, self._at = next(self._pieces), 0
            taken.append(self._piece[self._at : self._at + count])
            self._at += taken[-1].shape[0]
            count -= taken[-1].shape[0]
            if self._at == self._piece.shape[0]:
                self._piece = None
        return taken
