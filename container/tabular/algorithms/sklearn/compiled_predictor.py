"""Predict by ONNX Runtime with a scikit-learn estimator that this image has compiled."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tabular.algorithms.onnx_predictor import OnnxPredictor
from tabular.algorithms.onnx_session import all_classes
from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.predictor import Meaning, Scores
from tabular.contract.errors import RequestError, UserError
from tabular.data.batch import Floats
from tabular.data.columns import Columns

HALF = 0.5
# Up to this many values, plain Python takes a third of the time of NumPy's calls.
FEW = 256


class CompiledEstimatorPredictor(OnnxPredictor):
    """A compiled estimator, which refuses the same rows as the original estimator.

    If the graph of a classifier has only one output, this output has the probabilities. With two
    classes it may have only the probability of the second class. The label is then the class with
    the highest probability.

    Parameters
    ----------
    takes_missing : bool
        Whether the original estimator accepts rows with missing values.
    """

    def __init__(
        self,
        path: Path,
        columns: Columns,
        meaning: Meaning,
        takes_missing: bool,
        parallel: Parallel = ONE_THREAD,
    ) -> None:
        super().__init__(path, parallel)
        _require_meaning(path, self.width, self._count_of_classes(meaning), columns, meaning)
        self.columns, self.meaning = columns, meaning
        self._takes_missing = takes_missing
        alone = bool(meaning.classes) and len(self._outputs) == 1 and meaning.has_probabilities
        self._classes_of_the_highest = np.array(meaning.classes) if alone else None

    def predict(self, rows: Floats) -> Scores:
        """Score rows; see ``Predictor.predict``."""
        classes = self._classes_of_the_highest
        if classes is not None:
            found = self._found(rows)
            if found.shape[1] < len(classes):
                return classes.take([second > HALF for second in found.ravel().tolist()])
            labels: Scores = classes[found.argmax(axis=1)]
            return labels
        require_finite(rows, self.columns, self._takes_missing)
        return super().predict(rows)

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        if self._classes_of_the_highest is not None:
            return all_classes(self._found(rows), len(self._classes_of_the_highest))
        require_finite(rows, self.columns, self._takes_missing)
        return super().probabilities(rows)

    def _count_of_classes(self, meaning: Meaning) -> int:
        """Return the number of classes in the graph's output; 0 if it has labels only."""
        if not meaning.has_probabilities:
            return 0
        first = self._first(np.zeros((1, self.width), np.float32))
        # A mixture has components and no classes. The graph returns the number of the component.
        if not meaning.classes and (len(self._outputs) > 1 or first.dtype.kind != "f"):
            return 0
        count = len(self.meaning.classes) or int(first.shape[-1])
        # With two classes, the probability of the second class is enough.
        return 2 if count == 1 else count

    def _found(self, rows: Floats) -> Floats:
        require_finite(rows, self.columns, self._takes_missing)
        return self._parallel(self._first, rows)

    def _first(self, rows: Floats) -> Floats:
        found: Floats = self._run(self._outputs, {self._input: rows}, self._options)[0]
        return found


def _require_meaning(
    path: Path, width: int, shown: int, columns: Columns, meaning: Meaning
) -> None:
    for field, found, expected in (
        ("num_features", columns.features.count, width),
        ("classes", len(meaning.classes), shown or len(meaning.classes)),
    ):
        if found != expected:
            raise UserError(
                f"{path.name} does not fit its manifest: {field} is {found}, expected {expected} "
                "as the model has; unpack model.tar.gz again, or train again"
            )


def require_finite(rows: Floats, columns: Columns, takes_missing: bool) -> None:
    """Refuse infinite values, and missing values if the estimator does not accept them.

    Raises
    ------
    RequestError
        400: a value is infinite or missing; the message names its row and column.
    """
    # The sum of up to 256 finite float32 values is always finite in float64.
    if rows.size <= FEW and math.isfinite(sum(rows.ravel().tolist())):
        return
    wrong = np.isinf(rows) if takes_missing else ~np.isfinite(rows)
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0].tolist()
    found = "missing" if np.isnan(rows[row, column]) else "infinite, or too large for 32 bits"
    raise RequestError(
        400,
        f"Unable to evaluate payload provided: row {row + 1}, {columns.position(column)} is "
        f"{found}, which the estimator does not take",
    )
