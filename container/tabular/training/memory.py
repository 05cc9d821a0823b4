"""What training takes of the container's memory: estimates, held by measurements.

XGBoost's own memory is counted: the sketch that bins are found with, the bins, what belongs to
rows, and the histograms of a tree. ``benchmarks/training/memory.py`` measures what they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tabular.contract.machine import MEBIBYTE
from tabular.data.store import Store

# Python, pyarrow and XGBoost take 60 MiB; the readers' blocks, and what the kernel needs for the
# files, come to the rest.
PROGRAM_BYTES = 128 * MEBIBYTE
# Of what is left: rows may fill this share as float32, since binning needs room beside them,
RAW_SHARE = 0.45
# and all that was foreseen this one. An estimate is no measurement.
TRAINING_SHARE = 0.9
# Gradients, predictions, positions: bytes for each row, and for each row and class. Measured: 51
# for one prediction, 132 for five; a ranked metric (auc) sorts, which takes 20 more.
BYTES_PER_ROW, BYTES_PER_SCORE = 28, 24
BYTES_TO_SORT = 20
# A tree without a split: 500 bytes in the model, and 4,700 while the model is saved. Measured with
# 10,000 to 30,000 trees of XGBoost 3.2. A node adds 250, of which half is while it is saved.
BYTES_PER_TREE, BYTES_PER_NODE = 5_200, 250
# A column without a value: the sketch's queue and levels. Measured with 300,000 and 3,000,000
# columns: 367 with hist, 369 with approx, 33 to 40 with exact.
BYTES_PER_COLUMN = 380
LARGEST_PIECE, SMALLEST_PIECE = 256 * MEBIBYTE, 4 * MEBIBYTE
# A piece that is handed over: read, and made into a page; with it the pages read ahead.
PIECES_AT_A_TIME = 3
DEFAULT_BINS = 256
DEFAULT_DEPTH = 6
# XGBoost's sketch of a column keeps eight times as many points as bins, on each level.
POINTS_PER_BIN, BYTES_PER_POINT = 8, 16
# The levels, the queue of values not yet sorted in, what levels are merged in, and what the
# allocator adds. Measured: 1.14 to 1.44 times the points themselves.
SKETCH_SURPLUS = 1.5
# A gradient and a hessian in float64 for each bin.
BYTES_PER_BIN = 16


@dataclass(frozen=True)
class Memory:
    """What the container's memory allows; ``limit`` is in bytes."""

    limit: int

    @property
    def usable(self) -> int:
        """What is left beside the program itself."""
        return max(self.limit - PROGRAM_BYTES, self.limit // 4)

    @property
    def planned(self) -> int:
        """How much of it an estimate may fill."""
        return int(TRAINING_SHARE * self.usable)

    @property
    def most_columns(self) -> int:
        """How many columns XGBoost has memory for, whatever stands in them."""
        return self.usable // BYTES_PER_COLUMN

    @property
    def raw(self) -> int:
        """How much the rows of all channels may take as float32."""
        return int(RAW_SHARE * self.usable)

    @property
    def piece(self) -> int:
        """How much is read back from the disk at a time."""
        return min(LARGEST_PIECE, max(SMALLEST_PIECE, self.usable // 16))


@dataclass(frozen=True)
class Need:
    """What training with bins takes, in bytes.

    Attributes
    ----------
    raw : int
        Rows that are in memory as they were read.
    sketch : int
        While bins are found.
    bins : int
        Of all rows, when they are in memory.
    rows : int
        Gradients, predictions and the like; of the training rows.
    held_out : int
        The same for validation.
    trees : int
        Histograms, at the most.
    """

    raw: int
    sketch: int
    bins: int
    rows: int
    held_out: int
    trees: int

    @property
    def training(self) -> int:
        """What is needed beside the rows' values once training has begun."""
        return self.rows + self.held_out + self.trees

    def in_memory(self, raw_stays: bool) -> int:
        """Tell the peak with rows and bins in memory; rows are mostly given back when binned."""
        rows = self.raw if raw_stays else 0
        return max(self.raw + self.sketch, self.raw + self.bins // 2, rows + self.bins_trained)

    def streamed(self, piece: int) -> int:
        """Tell the peak with rows on disk and bins in memory."""
        return max(self.sketch, self.bins_trained) + PIECES_AT_A_TIME * piece

    def on_disk(self, piece: int) -> int:
        """Tell the peak with rows and bins on disk."""
        return max(self.sketch, self.training) + PIECES_AT_A_TIME * piece

    @property
    def bins_trained(self) -> int:
        """What the bins take together with training."""
        return self.bins + self.training


def need(
    stores: Mapping[str, Store], train: str, params: Mapping[str, Any], num_class: int
) -> Need:
    """Estimate what training on some channels takes.

    Parameters
    ----------
    train : str
        The channel that is learnt from; the others are held out.
    params : Mapping[str, object]
        XGBoost's.
    """
    rows = stores[train]
    max_bin = params.get("max_bin") or DEFAULT_BINS
    scores = max(1, num_class) * BYTES_PER_SCORE
    held_out = sum(store.rows for name, store in stores.items() if name != train)
    return Need(
        raw=sum(store.taken for store in stores.values()),
        sketch=sketch_bytes(rows, max_bin),
        bins=sum(binned_bytes(store, max_bin) for store in stores.values()),
        rows=rows.rows * (BYTES_PER_ROW + BYTES_TO_SORT + scores),
        held_out=held_out * (BYTES_TO_SORT + scores),
        trees=tree_bytes(rows, max_bin, params, num_class),
    )


def least(rows: int, num_class: int) -> int:
    """Tell what no plan can do without: rows in gradients and predictions, which stay in memory."""
    return rows * (BYTES_PER_ROW + max(1, num_class) * BYTES_PER_SCORE)


def trees_of(params: Mapping[str, Any], num_class: int, rounds: int) -> int:
    """Count the trees that some rounds make: one for each class, and of a forest several."""
    if params.get("booster") == "gblinear":
        return 0
    together = params.get("multi_strategy") == "multi_output_tree"
    return rounds * (1 if together else max(1, num_class)) * int(params.get("num_parallel_tree", 1))


def model_bytes(
    trees: int, rows: int = 0, params: Mapping[str, Any] | None = None, num_class: int = 0
) -> int:
    """Estimate a model while it is saved: without ``params`` at the least, of trees of one leaf."""
    if params is None:
        return trees * BYTES_PER_TREE
    depth = params.get("max_depth", DEFAULT_DEPTH) or math.inf
    leaves = params.get("max_leaves") or math.inf
    nodes = 2 * min(2**depth if depth < 64 else math.inf, leaves, max(1, rows // 2))
    values = num_class if params.get("multi_strategy") == "multi_output_tree" else 0
    return int(trees * (BYTES_PER_TREE + nodes * (BYTES_PER_NODE + 4 * values)))


def sketch_bytes(store: Store, max_bin: int) -> int:
    """Estimate XGBoost's sketch: for each column points on levels, each for twice the rows."""
    values = max(1, store.values // max(1, store.width))  # of a column
    points, levels = 0, 0
    while (points << levels) < values:
        levels += 1
        points = min(values, levels * POINTS_PER_BIN * min(values, max_bin))
    return int(SKETCH_SURPLUS * store.width * points * (levels + 3) * BYTES_PER_POINT)


def binned_bytes(store: Store, max_bin: int) -> int:
    """Estimate bins: one for each value, by rows and by columns."""
    width = 1 if max_bin <= DEFAULT_BINS else 2
    complete = not store.sparse and store.values == store.rows * store.width
    # By rows 4 bytes where values are missing.
    return store.values * (2 * width if complete else 4 + 2 * width)


def tree_bytes(store: Store, max_bin: int, params: Mapping[str, Any], num_class: int = 0) -> int:
    """Estimate the histograms of one tree, of which each node has one."""
    depth = params.get("max_depth", DEFAULT_DEPTH) or math.inf
    leaves = params.get("max_leaves") or math.inf
    # Two rows make two leaves, of a tree that has learnt them by heart.
    nodes = min(2**depth if depth < 64 else math.inf, leaves, max(1, store.rows // 2))
    distinct = min(max_bin, max(1, store.values // max(1, store.width)))
    together = params.get("multi_strategy") == "multi_output_tree"
    targets = max(1, num_class) if together else 1
    return int(nodes * store.width * distinct * BYTES_PER_BIN * targets)


def mib(size: float) -> str:
    """Write a size for a message."""
    return f"{size / MEBIBYTE:,.0f} MiB"
