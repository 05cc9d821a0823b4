"""Estimate the memory that XGBoost takes to train, in bytes.

The parts: the sketch that finds the bins, the bins, the values of each row (gradients,
predictions), the histograms of a tree, and the model while it is saved. The constants are
measurements of XGBoost 3.2; tests compare the estimates with them, and
``benchmarks/training/memory.py`` measures whole jobs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tabular.data.store import Store
from tabular.training.memory import Memory

# Gradients, predictions and positions: bytes for each row, and for each row and class. Measured: 51
# for one prediction, 132 for five; a ranking metric (auc) sorts, which takes 20 more.
BYTES_PER_ROW, BYTES_PER_SCORE = 28, 24
BYTES_TO_SORT = 20
# A tree without a split: 500 bytes in the model, and 4,700 while the model is saved. Measured with
# 10,000 to 30,000 trees. Each node adds 250 bytes; half of them are needed only while the model is
# saved.
BYTES_PER_TREE, BYTES_PER_NODE = 5_200, 250
# A column without values: the queue and the levels of its sketch. Measured with 300,000 and
# 3,000,000 columns: 367 with hist, 369 with approx, 33 to 40 with exact.
BYTES_PER_COLUMN = 380
# XGBoost holds three pieces of the rows: the one that is read, its page, and the pages read ahead.
PIECES_AT_A_TIME = 3
# XGBoost's defaults.
DEFAULT_BINS = 256
DEFAULT_DEPTH = 6
# On each level the sketch of a column keeps eight times as many points as bins.
POINTS_PER_BIN, BYTES_PER_POINT = 8, 16
# The queue of values that are not yet sorted in, the buffer in which levels are merged, and the
# allocator's overhead. Measured: 1.14 to 1.44 times the points themselves.
SKETCH_SURPLUS = 1.5
# A gradient and a hessian in float64 for each bin.
BYTES_PER_BIN = 16


@dataclass(frozen=True)
class Need:
    """What training with bins takes, in bytes.

    Attributes
    ----------
    raw : int
        Rows in memory, as they were read.
    sketch : int
        The sketch, while bins are found.
    bins : int
        The bins of all rows, if they are in memory.
    rows : int
        Gradients, predictions and the like of the training rows.
    held_out : int
        Predictions and the like of the validation rows.
    trees : int
        The largest size of the histograms of one tree.
    """

    raw: int
    sketch: int
    bins: int
    rows: int
    held_out: int
    trees: int

    @property
    def training(self) -> int:
        """Bytes that boosting takes beside the rows or bins."""
        return self.rows + self.held_out + self.trees

    @property
    def bins_trained(self) -> int:
        """Bytes that boosting takes together with the bins."""
        return self.bins + self.training

    def in_memory(self, raw_stays: bool) -> int:
        """Return the peak with rows and bins in memory.

        Parameters
        ----------
        raw_stays : bool
            False if the rows are freed while the last pass bins them.
        """
        rows = self.raw if raw_stays else 0
        return max(self.raw + self.sketch, self.raw + self.bins // 2, rows + self.bins_trained)

    def streamed(self, piece: int) -> int:
        """Return the peak with rows on disk, read ``piece`` bytes at a time, and bins in memory."""
        return max(self.sketch, self.bins_trained) + PIECES_AT_A_TIME * piece

    def on_disk(self, piece: int) -> int:
        """Return the peak with rows and bins on disk, read ``piece`` bytes at a time."""
        return max(self.sketch, self.training) + PIECES_AT_A_TIME * piece


def estimate_need(
    stores: Mapping[str, Store], train: str, params: Mapping[str, Any], num_class: int
) -> Need:
    """Estimate the memory that training on some channels takes.

    Parameters
    ----------
    train : str
        The name of the training channel; the other channels are held out.
    params : Mapping[str, object]
        Parameters of XGBoost.
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


def least_row_bytes(rows: int, num_class: int) -> int:
    """Return the bytes of gradients and predictions, which no kind of matrix moves to disk.

    >>> least_row_bytes(1000, num_class=0)
    52000
    """
    return rows * (BYTES_PER_ROW + max(1, num_class) * BYTES_PER_SCORE)


def most_columns(memory: Memory) -> int:
    """Return the number of columns that XGBoost has memory for, even if they hold no values."""
    return memory.usable // BYTES_PER_COLUMN


def count_trees(params: Mapping[str, Any], num_class: int, rounds: int) -> int:
    """Count the trees of some rounds: one for each class, times ``num_parallel_tree``."""
    if params.get("booster") == "gblinear":
        return 0
    one_for_all = params.get("multi_strategy") == "multi_output_tree"
    classes = 1 if one_for_all else max(1, num_class)
    return rounds * classes * int(params.get("num_parallel_tree", 1))


def model_bytes(
    trees: int, rows: int = 0, params: Mapping[str, Any] | None = None, num_class: int = 0
) -> int:
    """Estimate the memory of a model while it is saved.

    Parameters
    ----------
    params : Mapping[str, object] or None
        Parameters of XGBoost, which limit the size of a tree. None for the least size of a model:
        each tree has a single leaf.
    """
    if params is None:
        return trees * BYTES_PER_TREE
    depth = params.get("max_depth", DEFAULT_DEPTH) or math.inf
    leaves = params.get("max_leaves") or math.inf
    nodes = 2 * min(2**depth if depth < 64 else math.inf, leaves, max(1, rows // 2))
    values = num_class if params.get("multi_strategy") == "multi_output_tree" else 0
    return int(trees * (BYTES_PER_TREE + nodes * (BYTES_PER_NODE + 4 * values)))


def sketch_bytes(store: Store, max_bin: int) -> int:
    """Estimate the sketch: points on levels for each column, each level for twice the rows."""
    values = max(1, store.values // max(1, store.width))  # of a column
    points, levels = 0, 0
    while (points << levels) < values:
        levels += 1
        points = min(values, levels * POINTS_PER_BIN * min(values, max_bin))
    return int(SKETCH_SURPLUS * store.width * points * (levels + 3) * BYTES_PER_POINT)


def binned_bytes(store: Store, max_bin: int) -> int:
    """Estimate the bins: one for each value, stored by rows and by columns."""
    width = 1 if max_bin <= DEFAULT_BINS else 2
    complete = not store.sparse and store.values == store.rows * store.width
    # Where values are missing, a bin stored by rows takes 4 bytes.
    return store.values * (2 * width if complete else 4 + 2 * width)


def tree_bytes(store: Store, max_bin: int, params: Mapping[str, Any], num_class: int = 0) -> int:
    """Estimate the histograms of one tree; each node has its own."""
    depth = params.get("max_depth", DEFAULT_DEPTH) or math.inf
    leaves = params.get("max_leaves") or math.inf
    # At most one node for every two rows has a histogram.
    nodes = min(2**depth if depth < 64 else math.inf, leaves, max(1, store.rows // 2))
    distinct = min(max_bin, max(1, store.values // max(1, store.width)))
    one_for_all = params.get("multi_strategy") == "multi_output_tree"
    targets = max(1, num_class) if one_for_all else 1
    return int(nodes * store.width * distinct * BYTES_PER_BIN * targets)
