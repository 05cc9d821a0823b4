"""Find the cuts on a single host in batches of columns, if all sketches take too much memory.

The sketch of a column takes some MiB, however few the rows are, so many columns need more memory
for their sketches than for their values.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.training.boosting import job_error
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.memory_estimates import (
    DEFAULT_BINS,
    PIECES_AT_A_TIME,
    sketch_bytes,
)
from tabular.algorithms.xgboost.training.quantile_cuts.column_sketch import (
    ColumnCuts,
    ColumnSketch,
)
from tabular.algorithms.xgboost.training.quantile_cuts.reference import reference_matrix
from tabular.contract.machine import trim_heap
from tabular.data.columns import Columns
from tabular.data.store import Store
from tabular.training.memory import Memory

log = logging.getLogger(__name__)


def batched_cuts(store: Store, plan: Plan, memory: Memory, scratch: Path) -> xgboost.DMatrix | None:
    """Find the cuts of one batch of columns after the other; see ``quantile_cuts``.

    Returns
    -------
    DMatrix or None
        The ``ref`` of the training matrix. None if the sketches of all columns fit into memory, if
        the rows are in memory, or on several hosts.
    """
    if plan.matrix is not xgboost.ExtMemQuantileDMatrix or collective.get_world_size() > 1:
        return None
    width = cast(Columns, store.columns).count
    needed = sketch_bytes(store, plan.options["max_bin"] or DEFAULT_BINS)
    free = memory.planned - PIECES_AT_A_TIME * plan.piece
    batches = min(width, -(-needed // max(free // 2, 1)))
    if batches <= 1:
        return None
    begin = time.monotonic()
    size = -(-width // batches)
    found = ColumnCuts([], [])
    try:
        for start in range(0, width, size):
            stop = min(start + size, width)
            sketch = ColumnSketch(slice(start, stop), stop - start)
            options, cache = sketch.options(plan), scratch / f"cuts{start}"
            part = cast(Store, _SelectedColumns(store, sketch))
            matrix = replace(plan, options=options, cache=cache).build([(part, None)])
            of_batch = sketch.cuts_of(matrix)
            found.cuts.extend(of_batch.cuts)
            found.values.extend(of_batch.values)
            del matrix
            trim_heap()
    except xgboost.core.XGBoostError as error:
        raise job_error(error) from error
    reference = reference_matrix(found, plan, width)
    if reference is not None:
        log.info("cuts found in %d batches of columns: %.1f s", batches, time.monotonic() - begin)
    return reference


class _SelectedColumns:
    """A store with only some of its columns; the labels, weights and so on are the store's."""

    def __init__(self, store: Store, sketch: ColumnSketch) -> None:
        self._store, self._sketch = store, sketch
        self.columns = Columns(sketch.count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def features(self, slice_bytes: int, last: bool = False) -> Iterator[tuple[int, Any]]:
        """Read the columns; see ``Store.features``."""
        for start, piece in self._store.features(slice_bytes):
            yield start, self._sketch.select(piece)
