"""What every reader yields: labelled rows of float32 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class ColumnCountError(ValueError):
    """Rows of a request that have another number of columns than the model has features."""

    def __init__(self, found: int, expected: int) -> None:
        super().__init__(f"expected {expected} columns in each row, found {found}")
        self.found = found
        self.expected = expected


@dataclass(frozen=True)
class Batch:
    """Some rows of a channel.

    Attributes
    ----------
    features : float32 array, (rows, columns)
        NaN where a value is missing.
    label : float32 array, (rows,)
    weight : float32 array, (rows,), or None
    """

    features: Floats
    label: Floats
    weight: Floats | None = None

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Rows:
    """All rows of a channel, and which file each came from.

    Attributes
    ----------
    files : sequence of (Path, int)
        Each file with its number of rows, in the order in which they were read.
    """

    batch: Batch
    files: Sequence[tuple[Path, int]]

    def origin(self, row: int) -> tuple[Path, int]:
        """Find a row's file and its place among that file's rows, from 0."""
        for path, count in self.files:
            if row < count:
                return path, row
            row -= count
        raise IndexError(row)


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Join batches into one; all have the same number of columns."""
    if len(batches) == 1:
        return batches[0]
    weights = [batch.weight for batch in batches if batch.weight is not None]
    return Batch(
        features=np.concatenate([batch.features for batch in batches]),
        label=np.concatenate([batch.label for batch in batches]),
        weight=np.concatenate(weights) if weights else None,
    )
