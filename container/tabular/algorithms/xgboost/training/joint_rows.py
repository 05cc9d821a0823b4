"""The training rows of all hosts, brought together block by block in the order of a single host.

All of it happens within the collective: every host calls it.
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

# A host holds a block two or three times while it travels.
BLOCK_BYTES = 32 << 20

Positions = npt.NDArray[np.int64]


def positions_of(store: Store, folder: Path) -> Positions:
    """Tell where a single host would have each of this host's rows.

    Parameters
    ----------
    folder : Path
        The channel's: a single host would read the files of all hosts sorted by path below it.

    Returns
    -------
    int64 array, (rows,)
        Ascending, since this host has read its own files in that order too.
    """
    files = [(os.path.relpath(path, folder), count) for path, count in store.files]
    parted = store.positions is not None
    everyones = allgather_json([parted, files])
    mine = collective.get_rank()
    if parted:
        # Those who parted the same files have read all of them: they count once.
        mine = everyones.index(everyones[mine])
    everywhere = sorted(
        (PurePath(name), host, number, count)
        for host, said in enumerate(everyones)
        if not said[0] or everyones.index(said) == host
        for number, (name, count) in enumerate(said[1])
    )
    starts, position = np.zeros(len(files), np.int64), 0
    for _, host, number, count in everywhere:
        if host == mine:
            starts[number] = position
        position += count
    own = np.arange(store.rows) if store.positions is None else store.positions
    before = np.cumsum([0, *(count for _, count in files)])[:-1]
    file = np.searchsorted(before, own, "right") - 1
    return cast(Positions, own + (starts - before)[file])


def blocks(
    store: Store, positions: Positions, rows: int, values: int, piece: int
) -> Iterator[tuple[Any, Floats | None]]:
    """Bring the rows of all hosts together.

    Parameters
    ----------
    rows, values : int
        Of all hosts.
    piece : int
        How many bytes of this host's rows are read at a time.

    Yields
    ------
    (float32 array or CSR matrix, (rows, columns), float32 array, (rows,), or None)
        The features of the next rows, bit for bit, and their weights.
    """
    width = cast(Columns, store.columns).count
    # A sparse value takes 8 bytes, with its place.
    size = 8 * values / rows if store.sparse else 4 * width
    step = max(1, int(BLOCK_BYTES / max(size, 1)))
    ends = np.searchsorted(positions, np.arange(0, rows + step, step))
    weight, weighted = store.weight, allreduce_sum([store.weight is not None])[0] > 0
    if weighted and weight is None:
        weight = np.ones(store.rows, np.float32)
    reader = _Reader(store, piece)
    for number, first in enumerate(range(0, rows, step)):
        mine = slice(ends[number], ends[number + 1])
        places = positions[mine] - first
        count = min(step, rows - first)
        pieces = reader.take(len(places))
        block = (_sparse if store.sparse else _dense)(pieces, places, (count, width))
        yield block, None if weight is None else _dense([weight[mine]], places, (count,))


def joined(columns: Sequence[Floats], width: int) -> list[Floats]:
    """Bring together what hosts have for their columns; each has every n-th, of n hosts."""
    first, step = collective.get_rank(), collective.get_world_size()
    counts = np.zeros(width, np.int64)
    counts[first::step] = [len(values) for values in columns]
    ends = np.cumsum(allreduce_sum(counts))
    block = np.zeros(ends[-1], np.uint32)
    for column, values in zip(range(first, width, step), columns, strict=True):
        block[ends[column] - len(values) : ends[column]] = values.view(np.uint32)
    return np.split(allreduce_sum(block).view(np.float32), ends[:-1])


def _dense(pieces: Sequence[Floats], places: Positions, shape: tuple[int, ...]) -> Floats:
    # As bits: each value stands on one host, zero on the others, and no sum can round it.
    block = np.zeros(shape, np.uint32)
    done = 0
    for piece in pieces:
        block[places[done : done + len(piece)]] = np.ascontiguousarray(piece).view(np.uint32)
        done += len(piece)
    return allreduce_sum(block).view(np.float32)


def _sparse(pieces: Sequence[Any], places: Positions, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix, vstack

    rows = vstack([*pieces, csr_matrix((0, shape[1]), dtype=np.float32)], format="csr")
    own = np.diff(rows.indptr)
    counts = np.zeros(shape[0], np.int64)
    counts[places] = own
    starts = np.concatenate(([0], np.cumsum(allreduce_sum(counts))))
    # Where each of this host's values stands in the block.
    at = np.arange(rows.nnz) + np.repeat(starts[places] - rows.indptr[:-1], own)
    block = np.zeros((2, starts[-1]), np.uint32)
    block[0, at] = rows.data.view(np.uint32)
    block[1, at] = rows.indices
    values, indices = allreduce_sum(block)
    return csr_matrix((values.view(np.float32), indices.view(np.int32), starts), shape=shape)


class _Reader:
    """Reads a store's features from the first row on, as many rows at a time as asked for."""

    def __init__(self, store: Store, piece: int) -> None:
        self._pieces = (features for _, features in store.features(piece))
        self._piece: Any = None
        self._at = 0

    def take(self, count: int) -> list[Any]:
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
