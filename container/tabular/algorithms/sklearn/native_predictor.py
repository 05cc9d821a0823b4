"""Predict with scikit-learn itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np
import sklearn

from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.predictor import Meaning, Predictor, Scores
from tabular.algorithms.sklearn.encoded import EncodedColumn
from tabular.algorithms.sklearn.fitted_columns import fitted_columns
from tabular.algorithms.sklearn.frames import to_frame
from tabular.artifact.pickles.guard import guarded
from tabular.contract.errors import RequestError
from tabular.data.batch import Floats
from tabular.data.columns import Columns


class EstimatorPredictor(Predictor):
    """A fitted scikit-learn estimator. A classifier predicts its labels.

    Parameters
    ----------
    columns : Columns or None
        The columns of the training data, if this image fitted the estimator. The estimator then
        gets the same type of input as in training: a frame, if columns have names or text.

    Raises
    ------
    UserError
        The estimator does not have ``n_features_in_``.
    """

    engine = f"scikit-learn {sklearn.__version__}"
    bytes_per_value = 24  # a frame, and its copy in float64

    def __init__(
        self, estimator: Any, parallel: Parallel = ONE_THREAD, columns: Columns | None = None
    ) -> None:
        # joblib asks a program for this number once, which no prediction may do.
        joblib.cpu_count(only_physical_cores=True)
        with guarded():
            self._encoded: Mapping[int, EncodedColumn] = {}
            self._framed = True
            if columns is None:
                found = fitted_columns(estimator)
                columns, self._encoded = found.columns, found.encoded
                self._framed = found.by_name or bool(found.encoded)
            self.columns = columns
            self._method = "predict" if hasattr(estimator, "predict") else "transform"
            classes = _classes(estimator)
            self.meaning = Meaning(
                "",
                classes=classes,
                has_probabilities=bool(classes) and hasattr(estimator, "predict_proba"),
            )
            self._estimator = _on_one_thread(estimator)
        self._parallel = parallel

    def predict(self, rows: Floats) -> Scores:
        """Score rows; see ``Predictor.predict``."""
        return self._parallel(lambda part: self._call(self._method, part), rows)

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        return self._parallel(lambda part: self._call("predict_proba", part), rows)

    def _call(self, method: str, rows: Floats) -> Scores:
        try:
            with warnings.catch_warnings(), guarded():
                # scikit-learn warns about rows without the feature names of the training data.
                warnings.simplefilter("ignore")
                taken = (
                    to_frame(rows, self.columns.features, self._encoded) if self._framed else rows
                )
                found = getattr(self._estimator, method)(taken)
                return np.asarray(found.toarray() if hasattr(found, "toarray") else found)
        except (ValueError, TypeError, AttributeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise RequestError(400, f"Unable to evaluate payload provided: {first}") from error


def _classes(estimator: Any) -> tuple[Any, ...]:
    classes = getattr(estimator, "classes_", ())
    # With several targets, classes_ is a list with the classes of each target.
    return () if isinstance(classes, list) else tuple(np.asarray(classes).tolist())


def _on_one_thread(estimator: Any) -> Any:
    """Set every ``n_jobs`` to 1, because requests already run in parallel."""
    jobs = [name for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"]
    return estimator.set_params(**dict.fromkeys(jobs, 1))
