"""RecordIO-protobuf in requests."""

from __future__ import annotations

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.recordio.framing import cut
from tabular.data.recordio.tensors import read_block


def read_body(
    body: bytes, num_features: int, whole: bool = False, absent: float = np.nan
) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    num_features : int
        The number of features of the model.
    whole : bool
        Sparse records, too, must have ``num_features`` columns: by their shape, or their last key.
    absent : float
        The value where a sparse record has none.

    Returns
    -------
    float32 array, (rows, num_features)
        Labels are ignored.

    Raises
    ------
    ColumnCountError
        A dense record has another number of values, or a sparse record has a key or a shape that
        exceeds ``num_features``.
    ValueError
        A record is broken. The message names record and byte.
    """
    block, _ = cut(body, 1, 0, last=True)
    if not body:
        raise ValueError("the body holds no record")
    rows = read_block(block, num_features)
    if rows.keys is None:
        return rows.values
    if whole and rows.columns != num_features:
        raise ColumnCountError(rows.columns, num_features)
    matrix = np.full((len(block.starts), num_features), absent, np.float32)
    matrix[np.repeat(np.arange(len(matrix)), np.diff(rows.bounds)), rows.keys] = rows.values
    return matrix
