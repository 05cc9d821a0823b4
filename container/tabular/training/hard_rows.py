"""Rows on which a compiled model is likely to differ from the original.

These are rows of the training data, and copies with missing values, infinities, extreme values,
values at and beside the splits, and categories that are not in the training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Floats

if TYPE_CHECKING:  # the process that compiles does not need the readers
    from tabular.data.store import Store

SAMPLE_ROWS = 1000
# The limit of rows times columns in a sample. Several times as many values are compared.
SAMPLE_VALUES = 4_000_000
MOST_SPLITS = 1000
EXTREMES = (0.0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -1e-45)
ODD_CATEGORIES = (-1.0, -0.5, 0.5, 1e6, 1e9, -1e9)


def sample_rows(width: int) -> int:
    """Return the largest number of rows in a sample with ``width`` columns."""
    return max(1, min(SAMPLE_ROWS, SAMPLE_VALUES // width))


def sample_of(store: Store) -> Floats:
    """Return the first rows of the training data as a dense array; missing values are NaN."""
    width = max(store.columns.count if store.columns else store.width, 1)
    wanted = max(1, min(sample_rows(width), store.rows))
    parts: list[Floats] = []
    for _, piece in store.features(4 * wanted * width):
        parts.append(_dense(piece[: wanted - sum(map(len, parts))]))
        if sum(map(len, parts)) >= wanted:
            break
    return np.concatenate(parts)


def _dense(piece: Any) -> Floats:
    if isinstance(piece, np.ndarray):
        return piece.astype(np.float32)
    rows = np.full(piece.shape, np.nan, np.float32)
    coordinates = piece.tocoo()
    rows[coordinates.row, coordinates.col] = coordinates.data
    return rows


def hard_rows(
    sample: Floats, splits: Sequence[tuple[int, float]], categorical: npt.NDArray[np.int64]
) -> Floats:
    """Make the rows on which a compiled model is compared with the original.

    Parameters
    ----------
    sample : float32 array, (rows, features)
        Rows of the training data.
    splits : sequence of (int, float)
        The numeric splits of the model: feature and value.
    categorical : int64 array
        The indices of the categorical columns.

    Returns
    -------
    float32 array, (more rows, features)
    """
    draw = np.random.default_rng(0)
    return np.concatenate([sample, *_hard(sample, splits, categorical, draw)])


def _hard(
    sample: Floats,
    splits: Sequence[tuple[int, float]],
    categorical: npt.NDArray[np.int64],
    draw: np.random.Generator,
) -> Iterator[Floats]:
    width = sample.shape[1]
    few = sample[: max(1, min(len(sample), 200_000 // width))]
    yield np.where(draw.random(few.shape) < 0.3, np.nan, few).astype(np.float32)
    yield np.full((1, width), np.nan, np.float32)
    for extreme in EXTREMES:
        yield np.full((1, width), extreme, np.float32)
        yield np.where(draw.random(few.shape) < 0.1, extreme, few).astype(np.float32)
    if len(categorical):
        for odd in ODD_CATEGORIES:
            rows = few.copy()
            rows[:, categorical] = odd
            yield rows
    if splits:
        chosen = draw.permutation(len(splits))[: max(1, min(MOST_SPLITS, SAMPLE_VALUES // width))]
        for beside in (-np.inf, 0.0, np.inf, "rounded"):
            rows = sample[np.arange(len(chosen)) % len(sample)].copy()
            for row, place in zip(rows, chosen, strict=True):
                feature, split = splits[place]
                row[feature] = _beside(split, beside)
            yield rows


def _beside(split: float, beside: float | str) -> np.float32:
    if beside == "rounded":  # a float64 in a request that float32 can't hold exactly
        return np.float32(split * (1 + 1e-9))
    return np.nextafter(np.float32(split), np.float32(beside)) if beside else np.float32(split)
