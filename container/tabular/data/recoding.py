"""Translate codes of text and indices of sparse rows to the columns that all hosts agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Floats
from tabular.data.cells import CellError, explained
from tabular.data.columns import Columns
from tabular.data.dates import unpacked


def translated(codes: Floats, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Replace each code by ``table[code]``; NaN stays NaN. The result has the table's dtype."""
    known = ~np.isnan(codes)
    result = np.full_like(codes, np.nan, table.dtype)
    result[known] = table[codes[known].astype(np.int64)]
    return result


def recoded(codes: Floats, texts: Sequence[str], known: dict[str, int]) -> Floats:
    """Translate a batch's codes of ``texts`` into the codes of ``known``; add texts it lacks."""
    table = [known.setdefault(text, len(known)) for text in texts]
    return translated(codes, np.array(table, np.float32))


def tables_of(
    categories: Mapping[int, Mapping[str, int]], columns: Columns
) -> dict[int, npt.NDArray[Any]]:
    """Return what each code of a column of text becomes: the code of a category, or a number.

    The dtype is ``columns.dtype``.

    Raises
    ------
    UserError
        A text does not fit what the column is.
    """
    tables = {}
    for column, codes in categories.items():
        cells = columns.cells(column)
        try:
            tables[column] = np.array([cells.text(text) for text in codes], columns.dtype)
        except CellError as error:
            name = columns.shown(column)[:60]
            raise UserError(f"feature column '{name}': {explained(error, cells)}") from error
    return tables


def with_final_columns(
    piece: Any,
    columns: Columns,
    tables: Mapping[int, npt.NDArray[Any]],
    dates: Sequence[int],
    shifted: bool,
) -> Any:
    """Return rows as the model takes them: ``columns.features`` in float32, or a CSR matrix.

    Parameters
    ----------
    dates : sequence of int
        The columns of dates that ``dates.packed`` has made.
    shifted : bool
        The indices of sparse rows are counted from ``columns.base``.
    """
    if not isinstance(piece, np.ndarray):
        from scipy.sparse import csr_matrix

        indices = piece.indices - columns.base if shifted else piece.indices
        shape = (piece.shape[0], columns.count)
        return csr_matrix((piece.data, indices, piece.indptr), shape=shape)
    if not (tables or columns.dates):
        return piece
    rows = np.array(piece[:, : columns.count], columns.dtype)
    for column, table in tables.items():
        rows[:, column] = translated(piece[:, column], table)
    for place, column in enumerate(dates, columns.count):
        rows[:, column] = unpacked(piece[:, column], piece[:, place])
    return columns.expanded(rows)
