"""The predictions in answers, and templates that write rows of predictions as text.

A writer makes one template of a row, with a ``%`` mark for each value, and fills in the values of
all rows at once. Formatting the numbers is most of the work, and Python's ``repr`` of a float is
the shortest text that gives the same float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tabular.serving.selection import Selected

Array = npt.NDArray[Any]
# Scores of shape (rows,) or (rows, classes): float32, or a scikit-learn classifier's labels.
# A script may return any object.
Result = Array | Selected

NUMBERS = "fiu"  # kinds of NumPy's dtypes


class NotRepresentableError(Exception):
    """The answer type can't hold these predictions; the message says why."""


class Column(NamedTuple):
    """One column of an answer.

    Attributes
    ----------
    template : str
        The text of a row's cell, with a ``%`` mark for each value.
    values : array, (rows, ...)
    """

    template: str
    values: Array


def as_array(result: Any) -> Array:
    """Return predictions as a dense array; a script may return a list, a frame or a sparse matrix.

    >>> as_array([1, 2])
    array([1, 2])
    """
    if isinstance(result, np.ndarray):
        return result
    dense: Array = result.toarray() if hasattr(result, "toarray") else np.asarray(result)
    return dense


def fill(row: str, separator: str, columns: Sequence[Array]) -> str:
    """Write the template of a row for each row, with the row's values in place of the marks.

    >>> fill("%r:%r", " ", [np.array([1, 2]), np.array([3, 4])])
    '1:3 2:4'
    """
    rows = len(columns[0])
    values = columns[0]
    if len(columns) > 1:  # as Python objects, integers stay integers beside floats
        flat = [column.reshape(rows, math.prod(column.shape[1:])) for column in columns]
        values = np.hstack([column.astype(object) for column in flat])
    if values.ndim > 1:
        values = values.ravel()
    return separator.join([row] * rows) % tuple(values.tolist())


def nested(mark: str, column: Array) -> str:
    """Write the marks of one row as a list, or as a list of lists, by the array's shape.

    >>> nested("%r", np.zeros((5, 2)))
    '[%r, %r]'
    """
    if column.ndim > 1:
        for size in reversed(column.shape[1:]):
            mark = f"[{', '.join([mark] * size)}]"
    return mark


def texts(values: Array, write: Callable[[Any], str | bytes]) -> Array:
    """Return the text of each value, in an array of objects of the same shape."""
    written = np.empty(values.size, object)
    written[:] = [*map(write, values.ravel().tolist())]
    return written.reshape(values.shape)
