"""Cuts found some columns at a time, where XGBoost's sketch of all of them takes too much."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.training.boosting import blame
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.memory_estimates import (
    DEFAULT_BINS,
    PIECES_AT_A_TIME,
    sketch_bytes,
)
from tabular.algorithms.xgboost.training.reference import Sketched, SomeColumns, reference
from tabular.contract.machine import give_back
from tabular.data.columns import Columns
from tabular.data.store import Store
from tabular.training.memory import Memory

log = logging.getLogger(__name__)


def cuts_in_turns(
    store: Store, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts on a single host, some columns at a time, when all at a time take too much.

    XGBoost's sketch of a column takes some MiB, of however many rows; many columns need more than
    the rows themselves. Each column is sketched by itself, so the cuts are the same.

    Returns
    -------
    DMatrix or None
        As for ``single_host_cuts``. None when the whole sketch fits.

    Raises
    ------
    JobError
        The values can't be binned, or the disk is full.
    """
    if plan.matrix is not xgboost.ExtMemQuantileDMatrix or collective.get_world_size() > 1:
        return None
    width = cast(Columns, store.columns).count
    whole = sketch_bytes(store, plan.options["max_bin"] or DEFAULT_BINS)
    free = memory.planned - PIECES_AT_A_TIME * plan.piece
    turns = min(width, -(-whole // max(free // 2, 1)))
    if turns <= 1:
        return None
    begin = time.monotonic()
    size = -(-width // turns)
    found = Sketched([], [])
    try:
        for start in range(0, width, size):
            stop = min(start + size, width)
            some = SomeColumns(slice(start, stop), stop - start)
            own = replace(plan, options=some.options(plan), cache=scratch / f"cuts{start}")
            part = some.sketched(own.build([(cast(Store, _Part(store, some)), None)]))
            found.cuts.extend(part.cuts)
            found.values.extend(part.values)
            give_back()
    except xgboost.core.XGBoostError as error:
        raise blame(error) from error
    matrix = reference(found, plan, width)
    if matrix is not None:
        log.info("cuts found in %d turns: %.1f s", turns, time.monotonic() - begin)
    return matrix


class _Part:
    """Some columns of a store, which else is as it was."""

    def __init__(self, store: Store, some: SomeColumns) -> None:
        self._store, self._some = store, some
        self.columns = Columns(some.count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def features(self, slice_bytes: int, last: bool = False) -> Iterator[tuple[int, Any]]:
        """Read the columns; see ``Store.features``."""
        for start, piece in self._store.features(slice_bytes):
            yield start, self._some.of(piece)
