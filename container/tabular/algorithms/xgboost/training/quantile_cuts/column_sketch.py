"""Find the cuts of some columns of a matrix, independently of the other columns."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import xgboost

from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.data.batch import Floats

Result = TypeVar("Result")


@dataclass(frozen=True)
class ColumnCuts:
    """The cuts of some columns.

    Attributes
    ----------
    cuts : list of float32 array
        For each column its cuts.
    values : list of float32 array
        For each column the values from which XGBoost makes exactly these cuts.
    """

    cuts: list[Floats]
    values: list[Floats]


class ColumnSketch:
    """The sketch of some columns of a matrix.

    Parameters
    ----------
    columns : slice
        The columns.
    count : int
        The number of columns.
    """

    def __init__(self, columns: slice, count: int) -> None:
        self.columns, self.count = columns, count
        self._lowest = np.full(count, np.nan, np.float32)
        self._highest = self._lowest.copy()

    def select(self, features: Any) -> Any:
        """Return these columns of some rows, and record their lowest and highest values."""
        features = features[:, self.columns]
        if isinstance(features, np.ndarray):
            features = np.ascontiguousarray(features)
        low, high = _bounds(features)
        self._lowest = np.fmin(self._lowest, low)
        self._highest = np.fmax(self._highest, high)
        return features

    def options(self, plan: Plan) -> dict[str, Any]:
        """Return the options of a plan for a matrix of these columns."""
        types = plan.options["feature_types"]
        return {**plan.options, "feature_types": types and types[self.columns]}

    def cuts_of(self, matrix: xgboost.DMatrix) -> ColumnCuts:
        """Return the cuts of a matrix of these columns; all rows must have passed ``select``.

        XGBoost derives the first cut from the lowest value, and the last one from the highest.
        """
        cuts = matrix_cuts(matrix)
        values = [
            np.unique(np.concatenate(([low], of_column[1:-1], [high])))
            for low, of_column, high in zip(self._lowest, cuts, self._highest, strict=True)
        ]
        return ColumnCuts(cuts, [of_column[~np.isnan(of_column)] for of_column in values])


def matrix_cuts(matrix: xgboost.DMatrix) -> list[Floats]:
    """Return the cuts of each column of a matrix with bins."""
    starts, values = matrix.get_quantile_cut()
    return cast("list[Floats]", np.split(values, starts[1:-1]))


def outside_collective(work: Callable[[], Result]) -> Result:
    """Call a function in a thread in which XGBoost does not merge sketches with other hosts.

    XGBoost's communicator belongs to the thread that has joined the collective. In any other
    thread XGBoost works as on a single host.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _bounds(features: Any) -> tuple[Floats, Floats]:
    """Return the lowest and the highest value of each column; NaN for a column without values."""
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
