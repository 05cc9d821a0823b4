"""What the application needs of a model, whatever engine it runs on."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.serving.meaning import Meaning

Scores = npt.NDArray[Any]


class Predictor(Protocol):
    """A model. Called from several threads at once.

    Attributes
    ----------
    columns : Columns
        What each row of a request must have.
    meaning : Meaning
        What its scores mean.
    engine : str
        What computes them, for people.
    """

    columns: Columns
    meaning: Meaning
    engine: str

    def predict(self, rows: Floats) -> Scores:
        """Score rows.

        Parameters
        ----------
        rows : float32 array, (rows, columns.count)
            NaN where a value is missing.

        Returns
        -------
        array, (rows,) or (rows, classes)
            float32, or the labels of a scikit-learn classifier.

        Raises
        ------
        RequestError
            400: the engine refuses the rows.
        """
        ...
