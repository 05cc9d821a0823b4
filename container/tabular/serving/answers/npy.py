"""Answers in NumPy's file format."""

from __future__ import annotations

import io

import numpy as np

from tabular.serving.answers.profiles import Profile
from tabular.serving.answers.values import (
    NUMBERS,
    Array,
    NotRepresentableError,
    Result,
    as_array,
)
from tabular.serving.selection import Selected


def write_npy(result: Result, profile: Profile) -> bytes:
    """Write predictions as ``numpy.save`` does, without pickle.

    A single selected key is written as its array. Several keys are written as columns of one array;
    each must be one number per row.

    Raises
    ------
    NotRepresentableError
        The predictions are not an array of numbers or of text.
    """
    scores = _one_array(result) if isinstance(result, Selected) else as_array(result)
    if scores.dtype.kind == "O":
        scores = np.array(scores.tolist())
    if scores.dtype.kind == "O":
        raise NotRepresentableError("the predictions are not an array of numbers or of text")
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(scores), (1, 0), allow_pickle=False)
    return file.getvalue()


def _one_array(selected: Selected) -> Array:
    columns = [*selected.columns.values()]
    if len(columns) == 1:
        return columns[0]
    if all(column.ndim == 1 and column.dtype.kind in NUMBERS for column in columns):
        return np.column_stack(columns)
    raise NotRepresentableError(
        f"{', '.join(selected.columns)} are not one number each, and an array has one type and "
        "shape; select one of them, or only numbers"
    )
