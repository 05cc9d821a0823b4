"""Rows in the form that scikit-learn needs: an array, or a pandas frame if there is text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tabular.algorithms.sklearn.catalogue import CLASSIFIER, REGRESSOR
from tabular.algorithms.sklearn.frames import to_frame
from tabular.contract.errors import UserError
from tabular.data.batch import Floats
from tabular.data.column_kinds import DISTINCT_SHARE, FEWEST_ROWS
from tabular.data.columns import Columns
from tabular.data.spelling import number_of
from tabular.data.store import Store
from tabular.training.memory import mib
from tabular.training.single_host import feature_matrix

log = logging.getLogger(__name__)

# float32 when read, float64 for the estimator, and the estimator's own copy.
BYTES_PER_VALUE = 4 + 8 + 8
# float32 represents every integer up to 2**24.
LARGEST_EXACT = 1 << 24
# A column whose range has fewer distinct float32 values has lost information.
FEWEST_STEPS = 1000
# More decimal numbers than this are the target of a regression, not classes.
MOST_DECIMALS = 10


@dataclass(frozen=True)
class Dataset:
    """Rows to train on, or to compute metrics on.

    Attributes
    ----------
    codes : float32 array, (rows, columns)
        The features: numbers, codes of text, NaN for missing values.
    features : float64 array, or pandas frame, (rows, columns)
        The same features with texts in place of codes.
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

    def pick(self, chosen: npt.NDArray[np.int64]) -> Dataset:
        """Return rows by index."""
        frame = self.features
        return Dataset(
            self.codes[chosen],
            frame[chosen] if isinstance(frame, np.ndarray) else frame.iloc[chosen],
            None if self.label is None else self.label[chosen],
            None if self.weight is None else self.weight[chosen],
        )


def require_memory(store: Store, channel: str, memory: int) -> None:
    """Require that the rows of a channel, as scikit-learn needs them, fit into memory.

    Raises
    ------
    UserError
        The rows do not fit. The message has the memory that they need.
    """
    needed = store.rows * store.width * BYTES_PER_VALUE
    if store.on_disk or needed > memory:
        raise UserError(
            f"channel '{channel}' takes about {mib(needed)} of memory, the container has "
            f"{mib(memory)}, and scikit-learn learns in memory: use an instance type with more, "
            "fewer rows or features, or algorithm=xgboost, which reads from disk"
        )


def warn_of_lost_digits(rows: Dataset, columns: Columns) -> None:
    """Warn about columns whose differences float32 can't represent, such as timestamps."""
    shown = map(columns.shown, range(columns.count))
    named = dict(zip(shown, zip(*_bounds(rows.codes), strict=True), strict=True))
    if rows.label is not None and rows.label.dtype.kind == "f":
        named["of the labels"] = (rows.label.min(), rows.label.max())
    for name, (lowest, highest) in named.items():
        largest = np.float32(max(abs(lowest), abs(highest)))
        step = float(np.spacing(largest))
        if largest > LARGEST_EXACT and highest - lowest < FEWEST_STEPS * step:
            log.warning(
                "column %s: values near %g are kept in steps of %g (float32), and they differ by "
                "%g in all: subtract an offset from them first",
                name,
                highest,
                step,
                highest - lowest,
            )


def _bounds(codes: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest value of each column; 0 if all values are missing."""
    with np.errstate(invalid="ignore"):
        bounds = np.fmin.reduce(codes, axis=0), np.fmax.reduce(codes, axis=0)
    return np.nan_to_num(bounds[0]), np.nan_to_num(bounds[1])


def dataset_of(
    store: Store, kind: str, labelled: bool, classes: Mapping[str, int | str]
) -> Dataset:
    """Make a data set of a channel that is read and sealed. The store frees its features.

    Parameters
    ----------
    kind : str
        The kind of the estimator: a key of ``catalogue.KINDS``.
    labelled : bool
        Whether the estimator learns from labels.
    classes : mapping of str to int or str
        The class label of each text, for labels that were read as text.

    Raises
    ------
    UserError
        The labels do not fit the kind of the estimator.
    """
    codes = feature_matrix(store)
    columns = cast(Columns, store.columns)
    return Dataset(
        codes,
        to_frame(codes, columns),
        _label(store, kind, classes) if labelled else None,
        store.weight,
    )


def _require_classes(labels: Sequence[int | str], rows: int) -> None:
    """Refuse labels that are the numbers of a regression, or that identify the rows."""
    if rows >= FEWEST_ROWS and len(labels) >= DISTINCT_SHARE * rows:
        raise UserError(
            f"the label has {len(labels):,} different values in {rows:,} rows ({labels[0]!r}, "
            "...): it identifies the rows; choose another target, or a regressor for numbers"
        )
    decimals = [label for label in labels if isinstance(label, str) and "." in label]
    if len(decimals) > MOST_DECIMALS and all(number_of(str(label)) is not None for label in labels):
        raise UserError(
            f"the labels are numbers such as {decimals[0]}, and a classifier takes classes: whole "
            "numbers or text; choose a regressor, or another target"
        )


def _label(store: Store, kind: str, classes: Mapping[str, int | str]) -> npt.NDArray[Any]:
    label = store.label
    if store.classes is not None:
        if kind == REGRESSOR:
            some = ", ".join(map(repr, list(store.classes)[:3]))
            raise UserError(
                f"the labels are text ({some}, ...), and a regression predicts numbers; choose a "
                "classifier, or another target"
            )
        labels = [classes[text] for text in store.classes]
        _require_classes(labels, store.rows)
        type_of_label = np.int64 if isinstance(labels[0], int) else object
        return np.array(labels, dtype=type_of_label)[label.astype(np.int64)]
    if kind != CLASSIFIER:
        return label.astype(np.float64)
    whole = label == np.floor(label)
    if not whole.all():
        raise UserError(
            f"the labels are numbers such as {label[~whole][0]:g}, and a classifier takes classes: "
            "whole numbers or text; choose a regressor, or another target"
        )
    return label.astype(np.int64)
