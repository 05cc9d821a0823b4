"""Convert codes back to texts, because the estimator was fitted on texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.algorithms.sklearn.encoded import UNKNOWN, EncodedColumn
from tabular.data.batch import Floats
from tabular.data.columns import Columns

__all__ = ["UNKNOWN", "to_frame"]

NOTHING: Mapping[int, EncodedColumn] = {}


def to_frame(
    codes: Floats, columns: Columns, encoded: Mapping[int, EncodedColumn] = NOTHING
) -> Any:
    """Convert rows to the input of an estimator.

    Parameters
    ----------
    codes : float32 array, (rows, columns)
        Numbers, and codes of text.
    encoded : mapping of int to EncodedColumn
        The columns that the encoders of an estimator without a manifest read.

    Returns
    -------
    float64 array, or pandas frame, (rows, columns)
        A frame if the columns have names or text. Missing values are NaN, also in columns of text.
    """
    if not (columns.names or columns.categories or encoded):
        return codes.astype(np.float64)
    import pandas

    names = columns.names or range(columns.count)
    data = {}
    for column, name in enumerate(names):
        values = codes[:, column]
        texts = columns.categories.get(column)
        known = encoded.get(column)
        if known is None and texts is not None:
            known = EncodedColumn(tuple(texts), "O")
        if known is None:
            data[name] = values.astype(np.float64)
        elif texts is None and column not in columns.values:
            data[name] = known.snapped(values)
        else:
            data[name] = known.decoded(values)
    return pandas.DataFrame(data)
