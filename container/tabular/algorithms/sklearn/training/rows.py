"""Rows as scikit-learn takes them: an array of numbers, or a pandas frame where there is text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tabular.algorithms.sklearn.catalogue import CLASSIFIER, REGRESSOR
from tabular.algorithms.sklearn.frames import frame_of
from tabular.contract.errors import UserError
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.data.store import Store
from tabular.training.memory import mib

log = logging.getLogger(__name__)

# float32 as read, float64 as learnt from, and what estimators copy of it.
BYTES_PER_VALUE = 4 + 8 + 8
# Whole numbers up to here are exact in float32.
LARGEST_EXACT = 1 << 24
# A feature that has fewer has lost what it could tell.
LEVELS = 1000


@dataclass(frozen=True)
class Rows:
    """Some rows to learn from, or to measure with.

    Attributes
    ----------
    codes : float32 array, (rows, columns)
        The features as they were read: numbers, codes of text, NaN where missing.
    features : float64 array, or pandas frame, (rows, columns)
        The same, with the texts themselves.
    label : array, (rows,), or None
        Numbers, or the texts of classes.
    weight : float32 array, (rows,), or None
    """

    codes: Floats
    features: Any
    label: npt.NDArray[Any] | None
    weight: Floats | None

    def __len__(self) -> int:
        return len(self.codes)

    def pick(self, chosen: npt.NDArray[np.int64]) -> Rows:
        """Take some rows, by their numbers."""
        frame = self.features
        return Rows(
            self.codes[chosen],
            frame[chosen] if isinstance(frame, np.ndarray) else frame.iloc[chosen],
            None if self.label is None else self.label[chosen],
            None if self.weight is None else self.weight[chosen],
        )


def require_memory(store: Store, channel: str, memory: int) -> None:
    """Refuse rows that do not fit: scikit-learn learns in memory.

    Raises
    ------
    UserError
        Says how much memory is needed.
    """
    needed = store.rows * store.width * BYTES_PER_VALUE
    if store.on_disk or needed > memory:
        raise UserError(
            f"channel '{channel}' takes about {mib(needed)} of memory, the container has "
            f"{mib(memory)}, and scikit-learn learns in memory: use an instance type with more, "
            "fewer rows or features, or algorithm=xgboost, which reads from disk"
        )


def warn_of_lost_digits(rows: Rows, columns: Columns) -> None:
    """Say which columns differ by less than float32 can hold: timestamps, large identifiers."""
    shown = columns.names or [f"number {place + 1}" for place in range(columns.count)]
    named = dict(zip(shown, zip(*_bounds(rows.codes), strict=True), strict=True))
    if rows.label is not None and rows.label.dtype.kind == "f":
        named["of the labels"] = (rows.label.min(), rows.label.max())
    for name, (lowest, highest) in named.items():
        largest = np.float32(max(abs(lowest), abs(highest)))
        step = float(np.spacing(largest))
        if largest > LARGEST_EXACT and highest - lowest < LEVELS * step:
            log.warning(
                "column %s: values near %g are kept in steps of %g (float32), and they differ by "
                "%g in all: subtract an offset from them first",
                name,
                highest,
                step,
                highest - lowest,
            )


def _bounds(codes: Floats) -> tuple[Floats, Floats]:
    """Find the lowest and the highest of each column, but for what is missing."""
    with np.errstate(invalid="ignore"):
        bounds = np.fmin.reduce(codes, axis=0), np.fmax.reduce(codes, axis=0)
    return np.nan_to_num(bounds[0]), np.nan_to_num(bounds[1])


def rows_of(store: Store, kind: str, labelled: bool) -> Rows:
    """Take the rows of a channel that is read and sealed."""
    parts = [piece for _, piece in store.features(store.rows * store.width * 4, last=True)]
    codes = _dense(parts)
    columns = cast(Columns, store.columns)
    return Rows(
        codes,
        frame_of(codes, columns),
        _label(store, kind) if labelled else None,
        store.weight,
    )


def _dense(parts: Sequence[Any]) -> Floats:
    if not isinstance(parts[0], np.ndarray):
        # LIBSVM leaves zeros out.
        parts = [part.toarray() for part in parts]
    return cast(Floats, np.concatenate(parts))


def _label(store: Store, kind: str) -> npt.NDArray[Any]:
    label = store.label
    if store.classes is not None:
        if kind == REGRESSOR:
            some = ", ".join(map(repr, list(store.classes)[:3]))
            raise UserError(
                f"the labels are text ({some}, ...), and a regression predicts numbers; choose a "
                "classifier, or another target"
            )
        return np.array(list(store.classes), dtype=object)[label.astype(np.int64)]
    if kind != CLASSIFIER:
        return label.astype(np.float64)
    whole = label == np.floor(label)
    if not whole.all():
        raise UserError(
            f"the labels are numbers such as {label[~whole][0]:g}, and a classifier takes classes: "
            "whole numbers or text; choose a regressor, or another target"
        )
    return label.astype(np.int64)
