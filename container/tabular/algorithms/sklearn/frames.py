"""Codes back to texts: the rows that a scikit-learn model was fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.data.batch import Floats
from tabular.data.columns import Columns

# The code of a text that no training row had; NaN is a missing one.
UNKNOWN = -1.0
# What such a text becomes: one that no column of text holds.
UNKNOWN_TEXT = "\0"


def frame_of(codes: Floats, columns: Columns) -> Any:
    """Make what the model takes: an array, or a pandas frame where columns have names or text.

    Parameters
    ----------
    codes : float32 array, (rows, columns)

    Returns
    -------
    float64 array, or pandas frame, (rows, columns)
        Missing values are NaN, in columns of text too.
    """
    if not (columns.names or columns.categories):
        return codes.astype(np.float64)
    import pandas

    names = columns.names or range(columns.count)
    data = {}
    for column, name in enumerate(names):
        values = codes[:, column]
        texts = columns.categories.get(column)
        if texts is None:
            data[name] = values.astype(np.float64)
            continue
        # The last two are reached from the end: -1 and, for NaN, -2.
        table = np.array([*texts, np.nan, UNKNOWN_TEXT], dtype=object)
        places = np.where(np.isnan(values), -2, values).astype(np.int64)
        data[name] = table[places]
    return pandas.DataFrame(data)
