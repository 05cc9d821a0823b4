"""Find the same cuts on several hosts as a single host would find.

XGBoost's sketch of several hosts is approximate: where a feature has thousands of values, the cuts
differ from a single host's, and so do the trees. Here each host gets whole columns, in the order
in which a single host reads their rows, and finds their cuts alone.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.training.boosting import job_error
from tabular.algorithms.xgboost.training.collectives import allreduce_max, allreduce_sum, any_host
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.memory_estimates import (
    DEFAULT_BINS,
    binned_bytes,
    sketch_bytes,
)
from tabular.algorithms.xgboost.training.quantile_cuts.column_sketch import (
    ColumnCuts,
    ColumnSketch,
    outside_collective,
)
from tabular.algorithms.xgboost.training.quantile_cuts.joint_rows import (
    allgather_blocks,
    global_positions,
)
from tabular.algorithms.xgboost.training.quantile_cuts.reference import reference_matrix
from tabular.data.batch import Batch, Floats
from tabular.data.columns import Columns
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import Memory, mib

log = logging.getLogger(__name__)

# On disk: a value, the column index of a sparse value, and its bins by rows and by columns.
BYTES_PER_VALUE = 4 + 4 + 6
# A label and a weight for each row of all hosts, twice while they are joined.
BYTES_PER_ROW = 16


def multi_host_cuts(
    store: Store, folder: Path, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts that a single host would find; see ``quantile_cuts``.

    Returns
    -------
    DMatrix or None
        The ``ref`` of the training matrix. None on a single host, and where XGBoost has to sketch:
        the columns fit neither into memory nor on the disk, or the hosts have different files of
        the same names.
    """
    hosts = collective.get_world_size()
    if hosts == 1:
        return None
    begin = time.monotonic()
    rows, values = (int(total) for total in allreduce_sum([store.rows, store.values]))
    size = values // hosts * BYTES_PER_VALUE
    free = memory.planned - store.taken - rows * BYTES_PER_ROW
    if any_host(free < 0 or shutil.disk_usage(scratch).free < max(0, 2 * size - free)):
        _warn_of_sketch(f"whole columns take about {mib(size + rows * BYTES_PER_ROW)}")
        return None
    positions = global_positions(store, folder)
    if allreduce_max(positions[-1] + 1 if len(positions) else 0) != rows:
        _warn_of_sketch("hosts have different files of the same names")
        return None
    own = _OwnColumns(store, MemoryBudget(free, scratch))
    try:
        for features, weight in allgather_blocks(store, positions, rows, values, plan.piece):
            own.append(features, weight)
        found = outside_collective(lambda: own.find_cuts(plan, free, scratch))
    except xgboost.core.XGBoostError as error:
        raise job_error(error) from error
    finally:
        own.close()
    reference = reference_matrix(found, plan, cast(Columns, store.columns).count)
    if reference is None:
        _warn_of_sketch("XGBoost does not take over the cuts of a single host")
    else:
        log.info("cuts of a single host: %d rows, %.1f s", rows, time.monotonic() - begin)
    return reference


def _warn_of_sketch(reason: str) -> None:
    log.warning(
        "%s: XGBoost sketches the rows of all hosts, approximately, and the model differs a "
        "little from a single host's",
        reason,
    )


class _OwnColumns:
    """The columns that this host sketches: every n-th column, of n hosts, with all rows."""

    def __init__(self, store: Store, memory_budget: MemoryBudget) -> None:
        columns = slice(collective.get_rank(), None, collective.get_world_size())
        count = len(range(cast(Columns, store.columns).count)[columns])
        self._sketch = ColumnSketch(columns, count)
        self._store = Store(memory_budget)
        self._store.seal(Columns(count))

    def append(self, features: Any, weight: Floats | None) -> None:
        """Add these columns of some rows; does nothing on a host without columns."""
        if not self._sketch.count:
            return
        features = self._sketch.select(features)
        label = np.zeros(features.shape[0], np.float32)
        self._store.append(Batch(features, label, weight), Path())

    def find_cuts(self, plan: Plan, free: int, scratch: Path) -> ColumnCuts:
        """Find the cuts in ``free`` bytes of memory, or on disk; outside of the collective."""
        if not self._sketch.count:
            return ColumnCuts([], [])
        own, options = self._store, self._sketch.options(plan)
        max_bin = options["max_bin"] or DEFAULT_BINS
        needed = max(own.taken + sketch_bytes(own, max_bin), binned_bytes(own, max_bin))
        matrix: type[xgboost.DMatrix] = xgboost.QuantileDMatrix
        cache = None
        if own.on_disk or needed > free:
            own.spill()
            matrix, cache = xgboost.ExtMemQuantileDMatrix, scratch / "cuts"
        plan = replace(plan, matrix=matrix, cache=cache, options=options, censored=False)
        return self._sketch.cuts_of(plan.build([(own, None)], last=not own.on_disk))

    def close(self) -> None:
        """Free the memory and the disk."""
        self._store.close()
