"""The keys of selectable inference and their functions.

A model has one of the key sets at the end of this module. The order of the keys in a set is the
order of AWS's JSON objects. To add a key, add a function, and an entry in every set that has the
key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tabular.algorithms.predictor import Meaning, Predictor
    from tabular.data.batch import Floats

Array = npt.NDArray[Any]
# What a classifier answers for a row in JSON, as far as it has these keys.
CLASSIFIER_ANSWER = ("predicted_label", "probability", "probabilities")


class ScoredRows:
    """The rows of one request; the model computes scores and probabilities at most once.

    Parameters
    ----------
    model : Predictor
    rows : float32 array, (rows, columns)
    """

    def __init__(self, model: Predictor, rows: Floats) -> None:
        self.model = model
        self.rows = rows

    @cached_property
    def scores(self) -> Array:
        """What the model predicts; see ``Predictor.predict``."""
        return self.model.predict(self.rows)

    @cached_property
    def probabilities(self) -> Array:
        """The probability of each class; see ``Predictor.probabilities``."""
        return self.model.probabilities(self.rows)


Column: TypeAlias = Callable[[ScoredRows], Array]
KeySet: TypeAlias = Mapping[str, Column]


def with_classes(keys: KeySet) -> KeySet:
    """Return a key set whose predicted labels are the classes of the model, not their codes.

    Predictions that are classes are expected to be labels already.
    """
    if keys.get("raw_score") is keys["predicted_label"]:
        return {**keys, **NAMED_LABEL}
    return {**keys, "predicted_label": _named(keys["predicted_label"])}


def key_set(meaning: Meaning) -> KeySet:
    """Return the keys that a model has: its own key set, or the key set of its kind of estimator.

    Returns
    -------
    mapping of str to callable
        The callable computes the key's value for each row: an array whose first axis is the rows.
    """
    if meaning.keys is not None:
        return meaning.keys
    if len(meaning.classes) == 0:
        return NUMBER
    return CLASSIFIER if meaning.has_probabilities else CLASSIFIER_WITHOUT_PROBABILITIES


def _scores(request: ScoredRows) -> Array:
    return request.scores


def _above(threshold: float) -> Column:
    return lambda request: (request.scores > threshold).astype(np.int64)


def _complement_and_score(request: ScoredRows) -> Array:
    """Return ``1 - score`` and ``score`` in float64; AWS does the same for raw scores."""
    scores = request.scores.astype(np.float64)
    return np.stack([1 - scores, scores], axis=1)


def _most_likely(request: ScoredRows) -> Array:
    return np.asarray(request.scores.argmax(axis=1))


def _highest(request: ScoredRows) -> Array:
    return np.asarray(request.scores.max(axis=1))


def _labels(request: ScoredRows) -> Array:
    meaning = request.model.meaning
    labels = np.asarray(meaning.classes if len(meaning.classes) else range(meaning.num_class or 2))
    return np.broadcast_to(labels, (len(request.rows), len(labels)))


def _class_probability(request: ScoredRows) -> Array:
    """Return the probability of the second of two classes, else the highest probability.

    XGBoost's probability for two classes is also the probability of class 1.
    """
    probabilities = request.probabilities
    if probabilities.shape[1] == 2:
        return probabilities[:, 1]
    return np.asarray(probabilities.max(axis=1))


def _class_probabilities(request: ScoredRows) -> Array:
    return request.probabilities


def _named(codes: Column) -> Column:
    """Return a key whose values are class labels, given the key with their codes."""

    def labels(request: ScoredRows) -> Array:
        return np.asarray(request.model.meaning.classes)[codes(request).astype(np.int64)]

    return labels


def _class_codes(request: ScoredRows) -> Array:
    """Return the codes of predicted labels, as float32: the scores of a model without names."""
    codes = {label: code for code, label in enumerate(request.model.meaning.classes)}
    return np.array([codes[label] for label in request.scores.tolist()], np.float32)


def _complement_and_code(request: ScoredRows) -> Array:
    codes = _class_codes(request).astype(np.float64)
    return np.stack([1 - codes, codes], axis=1)


def _contributions(request: ScoredRows) -> Array:
    return request.model.contributions(request.rows)


def _leaves(request: ScoredRows) -> Array:
    return request.model.leaves(request.rows).astype(np.int64)  # XGBoost returns floats


# Scores are numbers: regression, counts, survival, ranking.
NUMBER: KeySet = {"predicted_score": _scores}
# Two classes: scores are the probability of class 1.
PROBABILITY: KeySet = {
    "predicted_label": _above(0.5),
    "labels": _labels,
    "probability": _scores,
    "probabilities": _complement_and_score,
    "raw_score": _scores,
    "raw_scores": _complement_and_score,
}
# Two classes: scores are the log-odds of class 1.
MARGIN: KeySet = {
    "predicted_label": _above(0),
    "labels": _labels,
    "raw_score": _scores,
    "raw_scores": _complement_and_score,
}
# Scores are class numbers.
LABEL: KeySet = {
    "predicted_label": _scores,
    "labels": _labels,
    "raw_score": _scores,
    "raw_scores": _complement_and_score,
}
# Scores are the probability of each class.
PROBABILITIES: KeySet = {
    "predicted_label": _most_likely,
    "labels": _labels,
    "probability": _highest,
    "probabilities": _scores,
    "raw_score": _highest,
    "raw_scores": _scores,
}
# The same for models with text labels, which answer with them.
NAMED_LABEL: KeySet = {
    "predicted_label": _scores,
    "labels": _labels,
    "raw_score": _class_codes,
    "raw_scores": _complement_and_code,
}
# XGBoost's explanations, which follow the keys of the scores.
EXPLANATIONS: KeySet = {"contributions": _contributions, "leaf": _leaves}
# scikit-learn's classifiers.
CLASSIFIER_WITHOUT_PROBABILITIES: KeySet = {"predicted_label": _scores, "labels": _labels}
CLASSIFIER: KeySet = {
    **CLASSIFIER_WITHOUT_PROBABILITIES,
    "probability": _class_probability,
    "probabilities": _class_probabilities,
}
