"""CSV answers: a line for each row."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tabular.serving.answers.profiles import Profile
from tabular.serving.answers.values import (
    NUMBERS,
    Array,
    Column,
    Result,
    as_array,
    fill,
    nested,
    texts,
)
from tabular.serving.selection import Selected

# Rows are written in pieces, because Python's numbers take ten times the memory of their text.
PIECE_ROWS = 1 << 16
NEEDS_QUOTES = re.compile(r'[",\r\n]')


def write_csv(result: Result, profile: Profile) -> bytes:
    """Write one line for each row, with commas between the classes.

    Selected keys are written as AWS's XGBoost container writes them: in the order of the request,
    lists in Python's syntax and in quotes. There is no line end after the last row, except for
    batch transform.
    """
    if isinstance(result, Selected):
        cells = [_selected_column(column) for column in result.columns.values()]
        row = ",".join([cell.template for cell in cells])
        text = fill(row, "\n", [cell.values for cell in cells])
        return (text + "\n" if profile.batch else text).encode()
    values = np.atleast_1d(as_array(result)) if profile.script else result
    plain = values.dtype.kind in NUMBERS and not profile.numpy_text
    joined = profile.csv_joined and not profile.batch and values.ndim == 1
    if plain and values.shape == (1,):  # most requests; takes a third of the time
        one: bytes = (b"%r" if joined else b"%r\n") % values.item()
        return one
    mark = b"%r" if plain else b"%s"
    end = b"," if joined else b"\n"
    row_template = b",".join([mark] * (values.shape[1] if values.ndim > 1 else 1)) + end
    pieces = (values[start : start + PIECE_ROWS] for start in range(0, len(values), PIECE_ROWS))
    body = b"".join([row_template * len(piece) % _cells(piece, profile) for piece in pieces])
    return body.removesuffix(end) if joined else body


def _cells(values: Array, profile: Profile) -> tuple[Any, ...]:
    if profile.numpy_text:  # the text of NumPy's scalars differs from that of Python's floats
        cells = values if values.ndim == 1 else [cell for row in values for cell in row]
        return tuple([_script_cell(cell).encode() for cell in cells])
    flat = values.ravel().tolist()
    if values.dtype.kind in NUMBERS:
        return tuple(flat)
    return tuple([_quoted(str(cell)).encode() for cell in flat])


def _script_cell(value: Any) -> str:
    """Write a value of a script's prediction; only text that is not empty may get quotes."""
    text = str(value)
    return _quoted(text) if text and isinstance(value, str) else text


def _quoted(text: str) -> str:
    """Quote a text if it is empty or has characters that could end its cell."""
    if text and text == text.strip() and not NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _selected_column(column: Array) -> Column:
    """Make the cell of one selected key: a number, a text, or a list within quotes."""
    if column.dtype.kind in NUMBERS:
        template = nested("%r", column)
        return Column(template if column.ndim == 1 else f'"{template}"', column)
    lists = np.array([repr(row) for row in column.tolist()]) if column.ndim > 1 else column
    return Column("%s", texts(lists, lambda cell: _quoted(str(cell))))
