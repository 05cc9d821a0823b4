"""Convert decoded JSON rows, lists or objects by feature name, to a float32 matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np

from tabular.data.batch import ColumnCountError, ColumnsError, Floats
from tabular.data.cells import CellError, Cells, NumberCells, value_of
from tabular.data.columns import Columns, check_names

# The keys of objects that may enclose all rows, or a row. An object by feature name may have such a
# key too; its value is neither a list nor an object.
WRAPPERS = ("instances", "features", "inputs", "data")
NUMBERS = {float, bool, NoneType}
KINDS = {
    float: "a number",
    bool: "a boolean",
    NoneType: "null",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def unwrapped(value: Any) -> Any:
    """Return what the objects in ``WRAPPERS`` enclose.

    >>> unwrapped({"data": {"features": [1.0, 2.0]}})
    [1.0, 2.0]
    """
    while isinstance(value, dict) and len(value) == 1:
        [(key, inner)] = value.items()
        if key not in WRAPPERS or not isinstance(inner, (list, dict)):
            break
        value = inner
    return value


def matrix_of(rows: Sequence[Any], columns: Columns, word: str, first: int = 1) -> Floats:
    """Convert rows to a matrix.

    Parameters
    ----------
    rows : sequence of decoded JSON, not empty
        Lists of values, or objects by the columns' names.
    word : str
        What messages call a row: "row" or "line".
    first : int
        The number of the first row in messages.

    Returns
    -------
    float32 array, (rows, columns)
        NaN for null, and for a text that is not one of its column's categories.

    Raises
    ------
    ColumnsError
        A row has another number of values, or other names.
    ValueError
        A row is neither a list nor an object, or a value has the wrong type for its column.
    """
    if set(map(type, rows)) != {list}:
        pick = itemgetter(*columns.names) if len(columns.names) > 1 else None
        rows = [
            _values(unwrapped(row), columns, pick, word, number)
            for number, row in enumerate(rows, start=first)
        ]
    if set(map(len, rows)) != {columns.count}:
        number, found = next(
            (number, len(row))
            for number, row in enumerate(rows, start=first)
            if len(row) != columns.count
        )
        raise ColumnCountError(found, columns.count, f"{word} {number}")
    if columns.special or not NUMBERS.issuperset(map(type, chain.from_iterable(rows))):
        readers = [columns.cells(column) for column in range(columns.count)]
        rows = [
            [
                value
                if type(value) is float and type(cells) is NumberCells
                else _number(value, cells, columns, word, number, place)
                for place, (value, cells) in enumerate(zip(row, readers, strict=True))
            ]
            for number, row in enumerate(rows, start=first)
        ]
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, as in CSV
        return np.array(rows, dtype=columns.dtype)


def _values(
    row: Any, columns: Columns, pick: Callable[[Any], Sequence[Any]] | None, word: str, number: int
) -> Sequence[Any]:
    """Return the values of a row in the model's order."""
    if isinstance(row, list):
        return row
    where = f"{word} {number}"
    if not isinstance(row, dict):
        raise ValueError(
            f"{where} is {KINDS[type(row)]}, expected a list of {columns.count} values, or an "
            "object by feature name"
        )
    names = columns.names
    if not names:
        raise ColumnsError(
            f"{where} is an object, and the model's features have no names; send the "
            f"{columns.count} values as a list"
        )
    if len(row) == len(names) or all(map(columns.may_ignore, row.keys() - set(names))):
        try:
            return pick(row) if pick else [row[names[0]]]
        except KeyError:
            pass  # check_names() raises the error
    check_names(row, columns, where)
    raise ColumnsError(f"{where} has {len(row)} names, expected {len(names)}")


def _number(
    value: Any, cells: Cells, columns: Columns, word: str, number: int, place: int
) -> float:
    """Return the number that a value stands for in its column."""
    fault = None
    try:
        if not isinstance(value, (list, dict)):
            return value_of(value, cells)
    except CellError as error:
        fault = str(error)
    found = f": {fault}" if fault else f" is {KINDS[type(value)]}"
    raise ValueError(
        f"{word} {number}, {columns.position(place)}{found}; expected {cells.expected}, or null "
        "for a missing value"
    )
