"""The values of each feature column of a channel: texts, missing values, range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Floats

# More texts in a column are numbers, or no categories; they take 10 MB of memory.
MOST_TEXTS = 100_000
# Measured: the fewest rows beyond which joining more saves little.
JOINED_ROWS = 32


class TooManyTextsError(Exception):
    """A column that is read as text has more than ``MOST_TEXTS`` distinct texts."""

    def __init__(self, column: int, texts: Counter[str]) -> None:
        super().__init__(column)
        self.column = column
        self.texts = texts


class ValueCounts:
    """Counts the values of dense rows, batch by batch.

    Parameters
    ----------
    width : int
        The number of columns; 0 for sparse rows, which are not counted.
    text_columns : collection of int
        The columns that are read as text.

    Attributes
    ----------
    texts : dict of int to Counter of str
        For each column of text, how often each text occurs.
    dates : dict of int to float or None
        For each column that is read as dates, the first date.
    odd : set of int
        The columns of numbers with texts, which must be read again as text.
    missing : int64 array, (columns,)
        The number of missing values.
    minimum, maximum : float32 array, (columns,)
        The range of the numbers, or of the codes of texts; NaN without any.
    """

    def __init__(self, width: int = 0, text_columns: Collection[int] = ()) -> None:
        self.texts: dict[int, Counter[str]] = {column: Counter() for column in text_columns}
        self.dates: dict[int, float | None] = {}
        self.odd: set[int] = set()
        self.missing = np.zeros(width, np.int64)
        self.minimum, self.maximum = np.full((2, width), np.nan, np.float32)

    def add(self, features: Floats) -> int:
        """Count the values of a batch. Return the number of values that are not missing."""
        missing = _by_column(np.add, np.isnan(features), dtype=np.int32)
        self.missing += missing
        with np.errstate(invalid="ignore"):
            self.minimum = np.fmin(self.minimum, _by_column(np.fmin, features))
            self.maximum = np.fmax(self.maximum, _by_column(np.fmax, features))
        return features.size - int(missing.sum())

    def add_texts(self, column: int, codes: Floats, texts: Sequence[str]) -> None:
        """Count the texts of a column.

        Parameters
        ----------
        codes : float32 array, (rows,)
            The index in ``texts`` of each row's text; NaN where missing.

        Raises
        ------
        TooManyTextsError
            The column has too many distinct texts.
        """
        counts = self.texts[column]
        known = codes[~np.isnan(codes)].astype(np.int64)
        for text, count in zip(
            texts, np.bincount(known, minlength=len(texts)).tolist(), strict=True
        ):
            if count:
                counts[text] += count
        if len(counts) > MOST_TEXTS:
            raise TooManyTextsError(column, counts)

    def add_dates(self, column: int, seconds: npt.NDArray[np.float64]) -> None:
        """Count the dates of a column, float64, (rows,); NaN where missing."""
        known = seconds[~np.isnan(seconds)]
        first = float(known.min()) if len(known) else None
        before = self.dates.get(column)
        given = [each for each in (first, before) if each is not None]
        self.dates[column] = min(given, default=None)

    def describe(self) -> dict[str, Any]:
        """Return the counts as values for JSON."""
        return {
            "texts": {str(column): dict(counts) for column, counts in self.texts.items()},
            "dates": {str(column): first for column, first in self.dates.items()},
            "odd": sorted(self.odd),
            "missing": self.missing.tolist(),
            "minimum": _finite(self.minimum),
            "maximum": _finite(self.maximum),
        }


def _by_column(function: np.ufunc, values: npt.NDArray[Any], **options: Any) -> Any:
    """Reduce each column of an array, (rows, columns), at least one row.

    NumPy reduces an array of few columns one short row at a time. Joined rows take a tenth of the
    time.
    """
    rows, columns = values.shape
    joined = rows // JOINED_ROWS
    rest = values[joined * JOINED_ROWS :]
    parts = [rest]
    if joined:
        whole = values[: joined * JOINED_ROWS].reshape(joined, JOINED_ROWS * columns)
        found = function.reduce(whole, axis=0, **options).reshape(JOINED_ROWS, columns)
        parts = [found, rest.astype(found.dtype)]
    return function.reduce(np.concatenate(parts), axis=0, **options)


def _finite(values: Floats) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
