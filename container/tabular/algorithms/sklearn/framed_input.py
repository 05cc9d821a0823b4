"""The input of a fitted estimator that encodes columns, made of the rows of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.algorithms.sklearn.encoded import NUMBERS, EncodedColumn
from tabular.algorithms.sklearn.fitted_columns import fitted_columns
from tabular.algorithms.sklearn.frames import to_frame
from tabular.data.batch import Floats
from tabular.data.cells import CellError
from tabular.data.columns import Columns


@dataclass(frozen=True)
class FramedInput:
    """What an estimator that encodes columns takes.

    Attributes
    ----------
    columns : Columns
        The columns as algorithm mode reads them.
    encoded : mapping of int to EncodedColumn
    """

    columns: Columns
    encoded: Mapping[int, EncodedColumn]

    def of_codes(self, rows: Floats) -> Any:
        """Return the frame of rows that were read by ``columns``."""
        return to_frame(rows, self.columns, self.encoded)

    def of_values(self, rows: npt.NDArray[Any]) -> Any:
        """Return the frame, or the array, of rows with numbers and texts as they were sent.

        Raises
        ------
        ValueError
            A value does not fit its column.
        """
        read = {}
        for place, column in self.encoded.items():
            try:
                read[place] = column.read(rows[:, place])
            except CellError as error:
                raise ValueError(
                    f"{self.columns.position(place)}: {error}; expected {column.cells.expected}"
                ) from error
        if not self.columns.names:
            only_numbers = all(column.kind in NUMBERS for column in self.encoded.values())
            whole = rows.astype(object)
            for place, values in read.items():
                whole[:, place] = values
            try:
                return whole.astype(np.float64) if only_numbers else whole
            except (ValueError, TypeError):  # another column has text
                return whole
        import pandas

        frame = pandas.DataFrame(rows, columns=self.columns.names).infer_objects()
        for place, values in read.items():
            frame[self.columns.names[place]] = values
        return frame


def framed_input_of(estimator: Any) -> FramedInput | None:
    """Return the input of an estimator; None if no column of it is encoded."""
    found = fitted_columns(estimator)
    return FramedInput(found.columns, found.encoded) if found.encoded else None
