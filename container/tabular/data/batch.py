"""Batches of rows, which every reader of training files yields, and the errors of requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import scipy.sparse

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
# SciPy's classes are not generic at run time; float32 values, int32 indices.
Sparse: TypeAlias = "scipy.sparse.csr_matrix[Any]"


class ColumnsError(ValueError):
    """The rows of a request have other columns than the model's features."""


class ColumnCountError(ColumnsError):
    """The rows of a request have another number of columns than the model has features."""

    def __init__(self, found: int, expected: int, where: str = "") -> None:
        place = f" in {where}" if where else ""
        super().__init__(f"expected {expected} columns in each row, found {found}{place}")
        self.found = found
        self.expected = expected


class TooLargeError(ValueError):
    """The rows of a request would take more memory than any request may take."""


def _row(index: int) -> str:
    return f"row {index + 1}"


@dataclass(frozen=True)
class Batch:
    """Some rows of a file, in the file's order.

    Attributes
    ----------
    features : float32 array, (rows, columns), or CSR matrix of that shape
        A missing value is NaN in an array, and absent from a CSR matrix. A CSR matrix has the
        file's own indices, and as many columns as its largest index needs.
    label : float32 array, (rows,)
        Zeros when the rows have no label.
    weight : float32 array, (rows,), or None
    qid : int64 array, (rows,), or None
        The group of each row, for ranking.
    names : sequence of str
        The feature columns' names; empty for formats without names.
    categories : mapping of int to sequence of str
        For each feature column of text, the texts that the codes 0, 1, ... of this batch stand for.
    dates : mapping of int to float64 array, (rows,)
        The feature columns that are read as dates: seconds since 1970-01-01 UTC, NaN where missing.
        In ``features`` they have any value, or NaN.
    odd : frozenset of int
        The feature columns of numbers that have texts, which are NaN in ``features``: the columns
        must be read again as text.
    delimiter : str
        The delimiter of CSV.
    ignored : sequence of str
        The names of the file's columns that are no features.
    classes : sequence of str
        For text labels, the texts that the codes 0, 1, ... in ``label`` stand for.
    lowest_index : int or None
        The smallest index, for formats whose indices may start from 0 or 1.
    where : callable
        Returns the place of a row in its file, such as ``line 12``; takes the row's position in
        the batch, from 0.
    """

    features: Floats | Sparse
    label: Floats
    weight: Floats | None = None
    qid: npt.NDArray[np.int64] | None = None
    names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    dates: Mapping[int, npt.NDArray[np.float64]] = field(default_factory=dict)
    odd: frozenset[int] = frozenset()
    delimiter: str = ""
    ignored: Sequence[str] = ()
    classes: Sequence[str] = ()
    lowest_index: int | None = None
    where: Callable[[int], str] = _row

    def __len__(self) -> int:
        return len(self.label)

    def pick(self, rows: npt.NDArray[np.bool_]) -> Batch:
        """Return the rows that are True in ``rows``, bool, (rows,)."""
        return replace(
            self,
            features=self.features[rows],
            dates={column: seconds[rows] for column, seconds in self.dates.items()},
            label=self.label[rows],
            weight=None if self.weight is None else self.weight[rows],
            qid=None if self.qid is None else self.qid[rows],
        )
