"""Decide whether the indices of a request are counted from 0 or from 1, and read it.

LIBSVM does not say it. The content type may declare it: ``text/libsvm; base=0`` or ``base=1``.
Otherwise a request is counted as the training data. Where the model does not tell, an index is read
as it stands (index k is column k), as XGBoost does, unless that is impossible or a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tabular.data.batch import ColumnCountError, ColumnsError, Floats, Sparse
from tabular.data.columns import DECLARED, KNOWN, NOT_INDEXED, UNDECLARED, Columns
from tabular.data.libsvm.bodies import read_body

_MODEL_COLUMNS: ContextVar[Columns | None] = ContextVar("model_columns", default=None)


def read_request(body: bytes, columns: Columns, base: int | None = None) -> Floats:
    """Read the rows of a request; see ``bodies.read_body``.

    Parameters
    ----------
    base : int or None
        The first index, 0 or 1, if the request declares it.

    Returns
    -------
    float32 array, (rows, columns.count)
        ``columns.absent`` where a value is missing.

    Raises
    ------
    ColumnCountError
        An index is too large for the model.
    ColumnsError
        The indices may be counted from 0 or from 1.
    ValueError
        A line can't be read.
    """
    rows = _read(body, columns, base)
    if columns.absent == 0:
        rows[np.isnan(rows)] = 0
    return rows


def _read(body: bytes, columns: Columns, base: int | None) -> Floats:
    if columns.indices == UNDECLARED:
        return _as_in_training(body, columns, base)
    if base is None and columns.indices == KNOWN:
        base = columns.base
    if base is not None:
        return read_body(body, columns.count, base)
    if columns.indices == NOT_INDEXED:
        return _if_clear(body, columns.count)
    return _as_they_stand(body, columns.count)


def _as_in_training(body: bytes, columns: Columns, base: int | None) -> Floats:
    """Read a request for a model whose training data had no index 0, and did not say why."""
    if base == 0:
        raise ColumnsError(
            "the content type says base=0, and the training data had no index 0 and did not "
            "declare its base: index 0 may be a feature that never occurred, or the first one. "
            "Leave base=0 out to count as the training data did, or train with it declared"
        )
    last = columns.count + columns.base - 1
    if base == 1:
        rows = read_body(body, last, 1)
        return rows if columns.base else np.pad(rows, ((0, 0), (1, 0)))
    rows = read_body(body, last + 1, 0)
    # A model without a column for index 0 has not seen it in training.
    return np.ascontiguousarray(rows[:, 1:]) if columns.base else rows


def _if_clear(body: bytes, count: int) -> Floats:
    """Read a request for a model that was not trained on indices: from 0 or from 1, what fits."""
    try:
        rows = read_body(body, count, 0)
    except ColumnCountError:
        counted_from_1 = _counted_from_1(body, count)
        if counted_from_1 is None:
            raise
        return counted_from_1
    given = np.flatnonzero(~np.isnan(rows).all(axis=0))
    if len(given) and given[0] and _counted_from_1(body, count) is not None:
        raise ColumnsError(
            f"the body has neither index 0 nor index {count}, so it may be counted from 0 or from "
            f"1; declare it with the content type: {DECLARED}"
        )
    return rows


def _as_they_stand(body: bytes, count: int) -> Floats:
    """Read a request for a model that may be trained on anything, such as AWS's own artifacts.

    Their LIBSVM models have one column per index, also for an index 0 that never occurs. So an
    index ``count`` alone may be a feature that training has not seen. A row with every index from 1
    to ``count`` is counted from 1.
    """
    try:
        return read_body(body, count, 0)
    except ColumnCountError:
        rows = _counted_from_1(body, count)
        if rows is None or np.isnan(rows).sum(axis=1).min(initial=1):
            raise
        return rows


@contextmanager
def model_columns(columns: Columns | None) -> Iterator[None]:
    """Let ``first_index`` know the columns of the model that a script serves."""
    token = _MODEL_COLUMNS.set(columns)
    try:
        yield
    finally:
        _MODEL_COLUMNS.reset(token)


def first_index(features: Sparse, lowest: int | None) -> int:
    """Return 1 if the rows of a script's request are counted from 1 for its model, else 0.

    Outside of an endpoint, and where the model is not known, indices are read as they stand.

    Parameters
    ----------
    lowest : int or None
        The smallest index of the rows.
    """
    columns = _MODEL_COLUMNS.get()
    if columns is None or not lowest:
        return 0
    if columns.indices == KNOWN:
        return columns.base
    too_wide = features.shape[1] == columns.count + 1
    return 1 if too_wide and (np.diff(features.indptr) == columns.count).any() else 0


def _counted_from_1(body: bytes, count: int) -> Floats | None:
    try:
        return read_body(body, count, 1)
    except ValueError:
        return None
