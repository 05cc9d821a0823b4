"""A small matrix that has given cuts and no others: the ``ref`` of a training matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.training.collectives import allreduce_sum, any_host
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.quantile_cuts.column_sketch import (
    ColumnCuts,
    matrix_cuts,
    outside_collective,
)
from tabular.data.batch import Floats


def reference_matrix(found: ColumnCuts, plan: Plan, width: int) -> xgboost.DMatrix | None:
    """Build a matrix with the cuts that all hosts have found; every host calls it.

    Parameters
    ----------
    found : ColumnCuts
        The cuts of this host's columns: every n-th column, of n hosts.
    plan : Plan
        The plan of the training matrix.
    width : int
        The number of columns of the training matrix.

    Returns
    -------
    DMatrix or None
        None if XGBoost derives other cuts from the values.
    """
    from scipy.sparse import csc_matrix

    values, cuts = allgather_columns(found.values, width), allgather_columns(found.cuts, width)
    counts = [len(of_column) for of_column in values]
    rows = np.concatenate([np.arange(count) for count in counts])
    starts = np.concatenate(([0], np.cumsum(counts)))
    table = csc_matrix((np.concatenate(values), rows, starts), (max(counts, default=0), width))
    built = outside_collective(lambda: xgboost.QuantileDMatrix(table.tocsr(), **plan.options))
    same = all(a.tobytes() == b.tobytes() for a, b in zip(matrix_cuts(built), cuts, strict=True))
    return None if any_host(not same) else built


def allgather_columns(columns: Sequence[Floats], width: int) -> list[Floats]:
    """Return the values of all columns; each host has those of every n-th column, of n hosts.

    Parameters
    ----------
    columns : sequence of float32 array
        The values of this host's columns.
    width : int
        The number of columns of all hosts.
    """
    first, step = collective.get_rank(), collective.get_world_size()
    counts = np.zeros(width, np.int64)
    counts[first::step] = [len(values) for values in columns]
    ends = np.cumsum(allreduce_sum(counts))
    # Sum the bits as integers: a value is on one host and zero on the others, so the sum is exact.
    joined = np.zeros(ends[-1], np.uint32)
    for column, values in zip(range(first, width, step), columns, strict=True):
        joined[ends[column] - len(values) : ends[column]] = values.view(np.uint32)
    return np.split(allreduce_sum(joined).view(np.float32), ends[:-1])
