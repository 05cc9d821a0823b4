"""What the application needs of a model, whatever engine it runs on."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from tabular.algorithms.meaning import Meaning
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.serving.errors import RequestError

Scores = npt.NDArray[Any]


class Predictor:
    """A model. Called from several threads at once.

    Attributes
    ----------
    columns : Columns
        What each row of a request must have.
    meaning : Meaning
        What its scores mean.
    engine : str
        What computes them, for people.
    bytes_per_value : int
        What the engine makes of each value of a request's matrix: copies, wider numbers.
    """

    columns: Columns
    meaning: Meaning
    engine: str
    bytes_per_value: int = 4

    @property
    def outputs(self) -> int:
        """How many numbers or texts the answer to a row has, at the most."""
        return max(1, self.meaning.num_class, len(self.meaning.classes))

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
        raise NotImplementedError

    def probabilities(self, rows: Floats) -> Scores:
        """Compute a scikit-learn classifier's probability of each class, (rows, classes)."""
        raise self._lacks("probabilities")

    def contributions(self, rows: Floats) -> Floats:
        """Explain scores: each feature's part of the margin (SHAP), and the bias last.

        Returns
        -------
        float32 array, (rows, features + 1) or (rows, classes, features + 1)
        """
        raise self._lacks("contributions")

    def leaves(self, rows: Floats) -> Scores:
        """Tell the leaf of each tree, (rows, trees)."""
        raise self._lacks("leaves")

    def _lacks(self, what: str) -> RequestError:
        return RequestError(400, f"{self.engine} computes no {what} of this model")
