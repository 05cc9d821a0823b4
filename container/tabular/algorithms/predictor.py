"""What the application needs of a model, whatever engine it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.selection_keys import KeySet
from tabular.artifact.manifest import Manifest
from tabular.contract.errors import RequestError
from tabular.data.batch import Floats
from tabular.data.columns import Columns

Scores = npt.NDArray[Any]


@dataclass(frozen=True)
class Meaning:
    """What the scores of a model mean.

    Attributes
    ----------
    objective : str
        XGBoost's name of the objective; empty for a scikit-learn estimator.
    num_class : int
        The number of classes of a multiclass objective of XGBoost, else 0.
    classes : sequence
        The labels of a scikit-learn classifier, in the order of its probabilities; empty for a
        regressor.
    has_probabilities : bool
        Whether a scikit-learn classifier has ``predict_proba``.
    keys : mapping or None
        The keys of selectable inference that the model has. With None, ``classes`` and
        ``has_probabilities`` decide; see ``selection_keys.key_set``.
    answer : str
        What the model answers for a row, in words for the model's page:
        "the probability of class 1". Empty if not known.
    """

    objective: str
    num_class: int = 0
    classes: Sequence[Any] = ()
    has_probabilities: bool = True
    keys: KeySet | None = None
    answer: str = ""


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


@dataclass(frozen=True)
class Loading:
    """How the models of an artifact are loaded.

    Attributes
    ----------
    parallel : Parallel
        Threads for large requests; models may share them.
    ensemble : bool
        Whether k-fold's models are served together; else the first of them.
    refuse_pickles : bool
        Whether a pickle without a manifest of this image is refused unread.
    """

    parallel: Parallel = ONE_THREAD
    ensemble: bool = True
    refuse_pickles: bool = False


class PredictorModule(Protocol):
    """What an algorithm provides for serving, in its module ``predictor``."""

    def load_described(self, folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
        """Load the models that a manifest describes; the files are verified.

        Raises
        ------
        UserError
            The manifest does not fit the models.
        """

    def preload(self) -> None:
        """Import the libraries that serve: in a server of many models, before the first of them."""

    def load_foreign(self, paths: Sequence[Path], loading: Loading) -> Predictor:
        """Load models without a manifest, which may be broken or hostile.

        Parameters
        ----------
        paths : sequence of Path
            One model, or the models of k-fold in their order.

        Raises
        ------
        UserError
            It is no model that can be loaded; a subclass says that it takes too long or too much
            memory.
        """


def predict_once(predictor: Predictor) -> None:
    """Predict a row of zeros: what a model of unknown origin does in its rehearsal."""
    row = np.zeros((1, predictor.columns.count), np.float32)
    # It may take no row of zeros.
    with suppress(RequestError):
        predictor.predict(row)
    if predictor.meaning.has_probabilities:
        with suppress(RequestError):
            predictor.probabilities(row)
