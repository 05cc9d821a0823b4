"""A small matrix that has given cuts and no others; a training matrix takes its cuts from it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import xgboost

from tabular.algorithms.xgboost.training.collectives import any_host
from tabular.algorithms.xgboost.training.joint_rows import joined
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.data.batch import Floats

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sketched:
    """What was found for some columns: for each the cuts, and values that lead to them."""

    cuts: list[Floats]
    values: list[Floats]


class SomeColumns:
    """Some columns of a matrix that are sketched by themselves.

    Parameters
    ----------
    every : slice
        Which ones.
    count : int
        How many these are.
    """

    def __init__(self, every: slice, count: int) -> None:
        self.every, self.count = every, count
        self._lowest = np.full(count, np.nan, np.float32)
        self._highest = self._lowest.copy()

    def of(self, features: Any) -> Any:
        """Take these columns of some rows, and note their lowest and highest values."""
        features = features[:, self.every]
        if isinstance(features, np.ndarray):
            features = np.ascontiguousarray(features)
        low, high = _bounds(features)
        self._lowest = np.fmin(self._lowest, low)
        self._highest = np.fmax(self._highest, high)
        return features

    def options(self, plan: Plan) -> dict[str, Any]:
        """Take the columns' part of a plan's options."""
        types = plan.options["feature_types"]
        return {**plan.options, "feature_types": types and types[self.every]}

    def sketched(self, matrix: xgboost.DMatrix) -> Sketched:
        """Take the cuts from a matrix of these columns, with all of whose rows ``of`` was called.

        XGBoost makes the first cut of the lowest value, and the last of the highest.
        """
        cuts = _cuts(matrix)
        values = [
            np.unique(np.concatenate(([low], of_column[1:-1], [high])))
            for low, of_column, high in zip(self._lowest, cuts, self._highest, strict=True)
        ]
        return Sketched(cuts, [of_column[~np.isnan(of_column)] for of_column in values])


def reference(sketched: Sketched, plan: Plan, width: int) -> xgboost.DMatrix | None:
    """Build the matrix, with the cuts that all hosts have found; every host calls it.

    Parameters
    ----------
    width : int
        The columns of all hosts.

    Returns
    -------
    DMatrix or None
        None if XGBoost makes other cuts of the values.
    """
    from scipy.sparse import csc_matrix

    values, cuts = joined(sketched.values, width), joined(sketched.cuts, width)
    counts = [len(of_column) for of_column in values]
    rows = np.concatenate([np.arange(count) for count in counts])
    starts = np.concatenate(([0], np.cumsum(counts)))
    table = csc_matrix((np.concatenate(values), rows, starts), (max(counts, default=0), width))
    built = alone(lambda: xgboost.QuantileDMatrix(table.tocsr(), **plan.options))
    found = _cuts(built)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(found, cuts, strict=True))
    return None if any_host(not same) else built


def alone(work: Callable[[], Result]) -> Result:
    """Work outside of the collective, where XGBoost joins no sketches of other hosts.

    Its communicator belongs to the thread that has joined: any other thread is a single host.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _cuts(matrix: xgboost.DMatrix) -> list[Floats]:
    starts, values = matrix.get_quantile_cut()
    return cast("list[Floats]", np.split(values, starts[1:-1]))


def _bounds(features: Any) -> tuple[Floats, Floats]:
    """Find the lowest and the highest value of each column; NaN where there is none."""
    if isinstance(features, np.ndarray):
        return np.fmin.reduce(features), np.fmax.reduce(features)
    by_column = features.tocsc()
    present = np.diff(by_column.indptr) > 0
    starts = by_column.indptr[:-1][present]
    found = []
    for bound in (np.fmin, np.fmax):
        of_columns = np.full(features.shape[1], np.nan, np.float32)
        if starts.size:
            of_columns[present] = bound.reduceat(by_column.data, starts)
        found.append(of_columns)
    return found[0], found[1]
