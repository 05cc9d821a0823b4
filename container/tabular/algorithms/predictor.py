"""The interface between the server and a model: ``Predictor``."""

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
        XGBoost's objective (``binary:logistic``); empty for other algorithms.
    num_class : int
        The number of classes of XGBoost's ``multi:`` objectives, else 0.
    classes : sequence
        The labels of a classifier, in the order of its probabilities; empty for regressors, and
        for XGBoost's classes without names.
    has_probabilities : bool
        Whether a scikit-learn classifier has ``predict_proba``.
    keys : mapping or None
        The keys of selectable inference that the model has. With None, ``classes`` and
        ``has_probabilities`` decide; see ``selection_keys.key_set``.
    answer : str
        What the model predicts for a row, in words, for the model's page:
        "the probability of class 1". Empty if not known.
    guessed : bool
        Whether the classes are guessed from the shape of the outputs of another tool's model.
    """

    objective: str
    num_class: int = 0
    classes: Sequence[Any] = ()
    has_probabilities: bool = True
    keys: KeySet | None = None
    answer: str = ""
    guessed: bool = False


class Predictor:
    """A model that is served. Several threads call it at the same time.

    Attributes
    ----------
    columns : Columns
        The columns that each row of a request must have.
    meaning : Meaning
        The meaning of the scores.
    engine : str
        The library that computes the scores, with its version, for people to read.
    bytes_per_value : int
        Bytes of memory that the engine takes for each value of a request's matrix: copies, and
        conversions to wider types.
    """

    columns: Columns
    meaning: Meaning
    engine: str
    bytes_per_value: int = 4

    @property
    def outputs(self) -> int:
        """The largest number of values in the answer to one row."""
        return max(1, self.meaning.num_class, len(self.meaning.classes))

    def predict(self, rows: Floats) -> Scores:
        """Score rows.

        Parameters
        ----------
        rows : float32 array, (rows, columns.features.count)
            NaN where a value is missing.

        Returns
        -------
        array, (rows,) or (rows, classes)
            float32, or the labels of a scikit-learn classifier.

        Raises
        ------
        RequestError
            400: the engine does not accept the rows.
        """
        raise NotImplementedError

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        raise self._lacks("probabilities")

    def contributions(self, rows: Floats) -> Floats:
        """Compute the contribution of each feature to the margin (SHAP values), and the bias last.

        Returns
        -------
        float32 array, (rows, features + 1) or (rows, classes, features + 1)
        """
        raise self._lacks("contributions")

    def leaves(self, rows: Floats) -> Scores:
        """Return the index of the leaf of each row in each tree, (rows, trees)."""
        raise self._lacks("leaves")

    def _lacks(self, what: str) -> RequestError:
        return RequestError(400, f"{self.engine} computes no {what} of this model")


class _Forwarded:
    """A class attribute that reads the attribute of the same name from the wrapped predictor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, wrapper: PredictorWrapper | None, owner: type) -> Any:
        if wrapper is None:  # read from the class, not from an instance
            return self
        return getattr(wrapper.wrapped, self._name)


class PredictorWrapper(Predictor):
    """A predictor that forwards to another predictor what its own class does not define.

    Parameters
    ----------
    wrapped : Predictor

    Examples
    --------
    >>> class Quiet(PredictorWrapper):
    ...     def predict(self, rows):
    ...         return self.wrapped.predict(rows) / 2
    """

    def __init__(self, wrapped: Predictor) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        """Forward an attribute that ``Predictor`` does not define."""
        if name == "wrapped":  # not set yet: forwarding would recurse without end
            raise AttributeError(name)
        return getattr(self.wrapped, name)


# Python does not call ``__getattr__`` for attributes that ``Predictor`` defines.
for _name in vars(Predictor):
    if not _name.startswith("_"):
        setattr(PredictorWrapper, _name, _Forwarded(_name))


@dataclass(frozen=True)
class Loading:
    """Settings for loading the models of an artifact.

    Attributes
    ----------
    parallel : Parallel
        The threads for large requests; several models may share them.
    ensemble : bool
        Serve the models of k-fold together; otherwise only the first of them.
    refuse_pickles : bool
        Refuse a pickle without a manifest of this image, before reading it.
    extra_columns : bool
        Requests by name may have columns that the model does not have, where the model's schema
        does not say.
    """

    parallel: Parallel = ONE_THREAD
    ensemble: bool = True
    refuse_pickles: bool = False
    extra_columns: bool = False


class PredictorModule(Protocol):
    """The module ``predictor`` of an algorithm: what serving calls."""

    def load_described(self, folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
        """Load the models that a manifest describes. Their SHA-256 has been verified.

        Raises
        ------
        UserError
            The manifest does not fit the models.
        """

    def preload(self) -> None:
        """Import the libraries that serve models, before a multi-model endpoint loads any model."""

    def load_foreign(self, paths: Sequence[Path], loading: Loading) -> Predictor:
        """Load models without a manifest. The files may be broken or hostile.

        Called only for the ``kinds`` of the algorithm.

        Parameters
        ----------
        paths : sequence of Path
            One model, or the models of k-fold in their order.

        Raises
        ------
        UserError
            The file can't be loaded as a model. OutOfTimeError and OutOfMemoryError if loading
            takes too long or too much memory.
        """


def predict_once(predictor: Predictor) -> None:
    """Predict a row of zeros, to check that a model of unknown origin can predict."""
    row = np.zeros((1, predictor.columns.features.count), np.float32)
    # The model may refuse a row of zeros.
    with suppress(RequestError):
        predictor.predict(row)
    if predictor.meaning.has_probabilities:
        with suppress(RequestError):
            predictor.probabilities(row)
