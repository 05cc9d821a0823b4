"""Rows of a JSON document, lists or objects by feature name, into float32 columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np

from tabular.data.batch import ColumnCountError, ColumnsError, Floats
from tabular.data.columns import Columns, check_names
from tabular.data.quoting import quoted

# What may stand around the rows, and around each row. An object of a feature with such a name
# is told by its value, which is neither list nor object.
WRAPPERS = ("instances", "features", "inputs", "data")
NUMBERS = {float, bool, NoneType}
# What has no number in JSON; some writers quote it.
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
KINDS = {
    float: "a number",
    bool: "a boolean",
    NoneType: "null",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def unwrapped(value: Any) -> Any:
    """Take ``{"instances": ...}`` and the like off, ``{"data": {"features": ...}}`` too."""
    while isinstance(value, dict) and len(value) == 1:
        [(key, inner)] = value.items()
        if key not in WRAPPERS or not isinstance(inner, (list, dict)):
            break
        value = inner
    return value


def matrix_of(rows: Sequence[Any], columns: Columns, word: str, first: int = 1) -> Floats:
    """Put rows into a matrix.

    Parameters
    ----------
    rows : sequence of decoded JSON, not empty
        Lists of values, or objects by the columns' names.
    word : str
        What a row is called in messages.
    first : int
        The number of the first row there.

    Returns
    -------
    float32 array, (rows, columns)
        NaN for null, and for a text that a column of categories does not know.

    Raises
    ------
    ColumnsError
        A row has another number of values, or other names.
    ValueError
        A row is neither list nor object, or a value does not belong into its column.
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
    if columns.categories or not NUMBERS.issuperset(map(type, chain.from_iterable(rows))):
        codes = [columns.codes.get(column) for column in range(columns.count)]
        rows = [
            [
                _number(value, known, columns, word, number, place)
                for place, (value, known) in enumerate(zip(row, codes, strict=True))
            ]
            for number, row in enumerate(rows, start=first)
        ]
    with np.errstate(over="ignore"):  # too large for float32 is infinite, as in CSV
        return np.array(rows, dtype=np.float32)


def _values(
    row: Any, columns: Columns, pick: Callable[[Any], Sequence[Any]] | None, word: str, number: int
) -> Sequence[Any]:
    """Find the values of a row, in the model's order."""
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
    if len(row) == len(names):
        try:
            return pick(row) if pick else [row[names[0]]]
        except KeyError:
            pass  # named below
    check_names(row, names, where)
    raise ColumnsError(f"{where} has {len(row)} names, expected {len(names)}")


def _number(
    value: Any,
    codes: Mapping[str, int] | None,
    columns: Columns,
    word: str,
    number: int,
    place: int,
) -> float:
    if value is None:
        return math.nan
    if codes is None:
        if isinstance(value, (float, bool)):
            return value
        if isinstance(value, str) and NOT_FINITE.fullmatch(value):
            return float(value)
    elif isinstance(value, str):
        return codes.get(value, columns.unknown)
    name = f" ({columns.names[place][:40]})" if columns.names else ""
    found = KINDS[type(value)] + (f", {quoted(value)}" if isinstance(value, str) else "")
    expected = "a number without quotes" if codes is None else "a text"
    raise ValueError(
        f"{word} {number}, column {place + 1}{name} is {found}; expected {expected}, or null for "
        "a missing value"
    )
