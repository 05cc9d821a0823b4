"""Convert codes back to texts, because the estimator was fitted on texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.data.batch import Floats
from tabular.data.columns import Columns

# The code of a text that is not in the training data. A missing text is NaN.
UNKNOWN = -1.0
# Replaces an unknown text in a frame. No text column has this value.
UNKNOWN_TEXT = "\0"


def to_frame(codes: Floats, columns: Columns) -> Any:
    """Convert rows to the input of an estimator.

    Parameters
    ----------
    codes : float32 array, (rows, columns)
        Numbers, and codes of text.

    Returns
    -------
    float64 array, or pandas frame, (rows, columns)
        A frame if the columns have names or text. Missing values are NaN, also in columns of text.
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
        # Index -1 is UNKNOWN_TEXT, because UNKNOWN is -1; index -2 is NaN.
        table = np.array([*texts, np.nan, UNKNOWN_TEXT], dtype=object)
        places = np.where(np.isnan(values), -2, values).astype(np.int64)
        data[name] = table[places]
    return pandas.DataFrame(data)
