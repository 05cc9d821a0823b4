"""Read JSON requests: one document of rows, or JSON Lines with one row per line.

>>> columns = Columns(2, names=("age", "city"), categories={1: ("Bonn", "Ulm")})
>>> read_document(b'{"instances": [[30, "Ulm"], {"age": null, "city": "Bonn"}]}', columns)
array([[30.,  1.],
       [nan,  0.]], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.data.batch import Floats
from tabular.data.blocks import BYTE_ORDER_MARK
from tabular.data.columns import Columns
from tabular.data.json.decoding import decode
from tabular.data.json.matrix import KINDS, matrix_of, unwrapped

# Lines are decoded and converted in parts of this size. A fault is found without decoding the whole
# body, and Python's objects, which take many times the memory of the text, exist for one part only.
PART_LINES = 10_000


def read_document(body: bytes, columns: Columns) -> Floats:
    """Read the rows of one document.

    The document is a list of rows or a single row. It may be the value of ``instances``,
    ``features`` or ``inputs`` in an object, or of ``data`` with ``features`` in it. A row is a list
    of values, or an object by feature name, and may be in such an object too. A list of plain
    values is one row; for a model with a single feature, each value is a row.

    Values are numbers (parsed as float64 first, as in CSV), booleans, null for missing, and texts.
    A text means the same as in CSV.

    Returns
    -------
    float32 array, (rows, columns)

    Raises
    ------
    ColumnsError
        A row has another number of values, or other names.
    ValueError
        The body is not JSON, or a row or a value can't be read. The message names the row, from 1.
    """
    rows = unwrapped(decode(body.removeprefix(BYTE_ORDER_MARK)))
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise ValueError(f'the body is {KINDS[type(rows)]}, expected {{"instances": [[...], ...]}}')
    if not rows:
        raise ValueError("the body holds no row")
    if not isinstance(rows[0], (list, dict)):
        rows = [[value] for value in rows] if columns.count == 1 else [rows]
    return matrix_of(rows, columns, "row")


def read_lines(body: bytes, columns: Columns) -> Floats:
    """Read one row from each line: ``[1, 2]``, or an object as in ``read_document``.

    Returns
    -------
    float32 array, (lines, columns)

    Raises
    ------
    ColumnsError
        A row has another number of values, or other names.
    ValueError
        A line is empty, not JSON, or not a row. The message names the line, from 1.
    """
    lines = body.removeprefix(BYTE_ORDER_MARK).rstrip().split(b"\n")
    if lines == [b""]:
        raise ValueError("the body holds no row")
    parts = []
    for start in range(0, len(lines), PART_LINES):
        numbered = enumerate(lines[start : start + PART_LINES], start + 1)
        rows = [_row(line, number) for number, line in numbered]
        parts.append(matrix_of(rows, columns, "line", start + 1))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _row(line: bytes, number: int) -> Any:
    if not line.strip():
        raise ValueError(f"line {number} is empty; every line is a row, so remove it")
    return unwrapped(decode(line, number))
