"""Find the cuts between the bins of a feature where XGBoost's own method is not good enough.

On several hosts XGBoost's sketch is approximate, and the sketches of many columns may need more
memory than the container has. XGBoost sketches each column independently of the others. So each
host finds the cuts of a part of the columns (``multi_host``), or a single host finds the cuts of
one batch of columns after the other (``column_batches``). The training matrix then takes all cuts
from a small matrix that has exactly these cuts (``reference``).
"""

from __future__ import annotations

from pathlib import Path

import xgboost

from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.quantile_cuts.column_batches import batched_cuts
from tabular.algorithms.xgboost.training.quantile_cuts.multi_host import multi_host_cuts
from tabular.data.store import Store
from tabular.training.memory import Memory

__all__ = ["quantile_cuts"]


def quantile_cuts(
    store: Store, folder: Path, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts of the training rows; every host of the collective calls it.

    Parameters
    ----------
    store : Store
        The training rows of this host.
    folder : Path
        The folder of the training channel.
    plan : Plan
        The plan of the training matrix.
    scratch : Path
        A folder for columns that do not fit into memory.

    Returns
    -------
    DMatrix or None
        The ``ref`` of the training matrix. None if XGBoost finds the cuts by itself.

    Raises
    ------
    JobError
        The values can't be binned, or the disk is full.
    """
    if plan.matrix is xgboost.DMatrix:  # has no bins
        return None
    return multi_host_cuts(store, folder, plan, memory, scratch) or batched_cuts(
        store, plan, memory, scratch
    )
