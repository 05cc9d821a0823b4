"""Several hosts bin their rows as a single host would: at the same cuts.

XGBoost's sketch of several hosts is approximate: where a feature has thousands of values, the
cuts are others than a single host's, and so are the trees. Each column is sketched by itself, so
here each host gets whole columns, in the order in which a single host reads them, and finds their
cuts alone. The training matrix takes them from a small matrix that has these cuts and no others.
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

from tabular.algorithms.xgboost.training.boosting import blame
from tabular.algorithms.xgboost.training.collectives import anywhere, largest, summed
from tabular.algorithms.xgboost.training.joint_rows import blocks, positions_of
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.reference import Sketched, SomeColumns, alone, reference
from tabular.data.batch import Batch, Floats
from tabular.data.columns import Columns
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import DEFAULT_BINS, Memory, binned_bytes, mib, sketch_bytes

log = logging.getLogger(__name__)

# On disk: a value, the place of a sparse one, and its bins by rows and by columns.
BYTES_PER_VALUE = 4 + 4 + 6
# A label and a weight for each row of all hosts, twice while they are joined.
BYTES_PER_ROW = 16


def single_host_cuts(
    store: Store, folder: Path, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts that a single host would find; every host of the collective calls it.

    Parameters
    ----------
    store : Store
        This host's training rows.
    folder : Path
        The channel's.
    plan : Plan
        Of the training matrix.
    scratch : Path
        For columns that do not fit into memory.

    Returns
    -------
    DMatrix or None
        What the training matrix takes its cuts from (``ref``). None where XGBoost has to sketch:
        on a single host, for matrices without bins, and when the columns fit nowhere.

    Raises
    ------
    JobError
        The values can't be binned, or the disk is full.
    """
    hosts = collective.get_world_size()
    if hosts == 1 or plan.matrix is xgboost.DMatrix:
        return None
    begin = time.monotonic()
    rows, values = (int(total) for total in summed([store.rows, store.values]))
    size = values // hosts * BYTES_PER_VALUE
    free = memory.planned - store.taken - rows * BYTES_PER_ROW
    if anywhere(free < 0 or shutil.disk_usage(scratch).free < max(0, 2 * size - free)):
        _leave_to_xgboost(f"whole columns take about {mib(size + rows * BYTES_PER_ROW)}")
        return None
    positions = positions_of(store, folder)
    if largest(positions[-1] + 1 if len(positions) else 0) != rows:
        _leave_to_xgboost("hosts have different files of the same names")
        return None
    own = _Own(store, MemoryBudget(free, scratch))
    try:
        for features, weight in blocks(store, positions, rows, values, plan.piece):
            own.append(features, weight)
        sketched = alone(lambda: own.sketch(plan, free, scratch))
    except xgboost.core.XGBoostError as error:
        raise blame(error) from error
    finally:
        own.close()
    matrix = reference(sketched, plan, cast(Columns, store.columns).count)
    if matrix is None:
        _leave_to_xgboost("XGBoost does not take over the cuts of a single host")
    else:
        log.info("cuts of a single host: %d rows, %.1f s", rows, time.monotonic() - begin)
    return matrix


def _leave_to_xgboost(reason: str) -> None:
    log.warning(
        "%s: XGBoost sketches the rows of all hosts, approximately, and the model differs a "
        "little from a single host's",
        reason,
    )


class _Own:
    """The columns that this host sketches: every n-th, of n hosts."""

    def __init__(self, store: Store, room: MemoryBudget) -> None:
        every = slice(collective.get_rank(), None, collective.get_world_size())
        self._some = SomeColumns(every, len(range(cast(Columns, store.columns).count)[every]))
        self._store = Store(room)
        self._store.seal(Columns(self._some.count))

    def append(self, features: Any, weight: Floats | None) -> None:
        """Take these columns of some rows; none, if there are more hosts than columns."""
        if not self._some.count:
            return
        features = self._some.of(features)
        label = np.zeros(features.shape[0], np.float32)
        self._store.append(Batch(features, label, weight), Path())

    def sketch(self, plan: Plan, free: int, scratch: Path) -> Sketched:
        """Find the cuts, in ``free`` bytes of memory or on disk; outside of the collective."""
        if not self._some.count:
            return Sketched([], [])
        own, options = self._store, self._some.options(plan)
        max_bin = options["max_bin"] or DEFAULT_BINS
        need = max(own.taken + sketch_bytes(own, max_bin), binned_bytes(own, max_bin))
        matrix: type[xgboost.DMatrix] = xgboost.QuantileDMatrix
        cache = None
        if own.on_disk or need > free:
            own.spill()
            matrix, cache = xgboost.ExtMemQuantileDMatrix, scratch / "cuts"
        plan = replace(plan, matrix=matrix, cache=cache, options=options, censored=False)
        return self._some.sketched(plan.build([(own, None)], last=not own.on_disk))

    def close(self) -> None:
        """Give memory and disk back."""
        self._store.close()
