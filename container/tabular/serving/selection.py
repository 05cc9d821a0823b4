"""Selectable inference: the keys of ``SAGEMAKER_INFERENCE_OUTPUT``, a column of answers each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tabular.algorithms.predictor import Meaning
from tabular.data.batch import Floats

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]


class Explained(Protocol):
    """What selection needs of a model. Each method is called once a request at most."""

    @property
    def meaning(self) -> Meaning:
        """Say what the scores mean."""
        ...

    def predict(self, rows: Floats) -> Array:
        """Score rows: (rows,) or (rows, classes); a scikit-learn classifier's are its labels."""
        ...

    def probabilities(self, rows: Floats) -> Array:
        """Give a scikit-learn classifier's ``predict_proba``: (rows, classes)."""
        ...

    def contributions(self, rows: Floats) -> Floats:
        """Give XGBoost's ``pred_contribs``, the last of each row the bias.

        Shape (rows, features + 1), or (rows, classes, features + 1).
        """
        ...

    def leaves(self, rows: Floats) -> Array:
        """Give XGBoost's ``pred_leaf``: (rows, trees)."""
        ...


@dataclass(frozen=True)
class Selected:
    """The answers to the keys that were asked for.

    Attributes
    ----------
    columns : mapping of str to array
        In the order asked, as CSV has them. An array's first axis is the rows'; a row's part of
        it is a number or text, a list, or a list of lists.
    order : tuple of str
        The same keys in the order of JSON objects, which is AWS's: that of the table below,
        then the keys that the model does not have.
    """

    columns: Mapping[str, Array]
    order: tuple[str, ...]


def keys_of(text: str) -> tuple[str, ...]:
    """Read ``SAGEMAKER_INFERENCE_OUTPUT``: keys parted by commas, in any case, with any spaces.

    A key that comes twice counts once, where it comes first; nothing between two commas is no
    key. No keys at all means that nothing is selected.
    """
    keys = text.replace(" ", "").lower().split(",")
    return tuple(dict.fromkeys(key for key in keys if key))


def select(keys: Sequence[str], model: Explained, rows: Floats) -> Selected:
    """Answer the keys for each row; what no key needs is not computed.

    A key that is unknown, or that the model does not have, is NaN in each row, as in AWS's
    container, and the log says so once.

    Parameters
    ----------
    keys : sequence of str
        See ``keys_of``.
    rows : float32 array, (rows, columns)

    Raises
    ------
    RequestError
        What the model raises.
    """
    table = columns_of(model.meaning)
    unknown = tuple(key for key in keys if key not in table)
    if unknown:
        _warn(unknown, model.meaning.objective, tuple(table))
    asked = _Asked(model, rows)
    columns = {
        key: table[key](asked) if key in table else np.full(len(rows), np.nan) for key in keys
    }
    return Selected(columns, (*(key for key in table if key in columns), *unknown))


def columns_of(meaning: Meaning) -> Mapping[str, _Column]:
    """Say which keys a model has, and how each is made."""
    if meaning.objective:
        return {**OBJECTIVES.get(meaning.objective, NUMBER), **EXPLANATIONS}
    if len(meaning.classes) == 0:
        return NUMBER
    return CLASSIFIER if meaning.has_probabilities else DECIDER


@lru_cache(maxsize=64)  # once for each model's keys, not for each request
def _warn(unknown: tuple[str, ...], objective: str, known: tuple[str, ...]) -> None:
    log.warning(
        "Selected key(s) %s incompatible for objective '%s'; their values are nan (null in JSON). "
        "Please use compatible ones in SAGEMAKER_INFERENCE_OUTPUT: %s",
        ", ".join(unknown),
        objective or "scikit-learn",
        ", ".join(known),
    )


class _Asked:
    """One request's rows, and what several keys are made of."""

    def __init__(self, model: Explained, rows: Floats) -> None:
        self.model = model
        self.rows = rows

    @cached_property
    def scores(self) -> Array:
        return self.model.predict(self.rows)

    @cached_property
    def probabilities(self) -> Array:
        return self.model.probabilities(self.rows)


_Column = Callable[[_Asked], Array]


def _scores(asked: _Asked) -> Array:
    return asked.scores


def _above(threshold: float) -> _Column:
    return lambda asked: (asked.scores > threshold).astype(np.int64)


def _both(asked: _Asked) -> Array:
    """Pair each score with what it lacks to 1, in float64, as AWS does for raw scores too."""
    scores = asked.scores.astype(np.float64)
    return np.stack([1 - scores, scores], axis=1)


def _most_likely(asked: _Asked) -> Array:
    return np.asarray(asked.scores.argmax(axis=1))


def _highest(asked: _Asked) -> Array:
    return np.asarray(asked.scores.max(axis=1))


def _labels(asked: _Asked) -> Array:
    meaning = asked.model.meaning
    labels = np.asarray(meaning.classes if len(meaning.classes) else range(meaning.num_class or 2))
    return np.broadcast_to(labels, (len(asked.rows), len(labels)))


def _class_probability(asked: _Asked) -> Array:
    """Take the second of two classes' probability, as of 1 in XGBoost; else the highest."""
    probabilities = asked.probabilities
    if probabilities.shape[1] == 2:
        return probabilities[:, 1]
    return np.asarray(probabilities.max(axis=1))


def _class_probabilities(asked: _Asked) -> Array:
    return asked.probabilities


def _contributions(asked: _Asked) -> Array:
    return asked.model.contributions(asked.rows)


def _leaves(asked: _Asked) -> Array:
    return asked.model.leaves(asked.rows).astype(np.int64)  # XGBoost gives them as floats


# The keys of each kind of scores. The order is that of AWS's JSON objects.
NUMBER: Mapping[str, _Column] = {"predicted_score": _scores}
PROBABILITY: Mapping[str, _Column] = {
    "predicted_label": _above(0.5),
    "labels": _labels,
    "probability": _scores,
    "probabilities": _both,
    "raw_score": _scores,
    "raw_scores": _both,
}
MARGIN: Mapping[str, _Column] = {
    "predicted_label": _above(0),
    "labels": _labels,
    "raw_score": _scores,
    "raw_scores": _both,
}
LABEL: Mapping[str, _Column] = {
    "predicted_label": _scores,
    "labels": _labels,
    "raw_score": _scores,
    "raw_scores": _both,
}
PROBABILITIES: Mapping[str, _Column] = {
    "predicted_label": _most_likely,
    "labels": _labels,
    "probability": _highest,
    "probabilities": _scores,
    "raw_score": _highest,
    "raw_scores": _scores,
}
# All other objectives of XGBoost (reg:*, count:poisson, survival:*, rank:*) are NUMBER.
OBJECTIVES: Mapping[str, Mapping[str, _Column]] = {
    "binary:logistic": PROBABILITY,
    "binary:logitraw": MARGIN,
    "binary:hinge": LABEL,
    "multi:softmax": LABEL,
    "multi:softprob": PROBABILITIES,
}
EXPLANATIONS: Mapping[str, _Column] = {"contributions": _contributions, "leaf": _leaves}
# scikit-learn's classifiers, with predict_proba and without.
DECIDER: Mapping[str, _Column] = {"predicted_label": _scores, "labels": _labels}
CLASSIFIER: Mapping[str, _Column] = {
    **DECIDER,
    "probability": _class_probability,
    "probabilities": _class_probabilities,
}
