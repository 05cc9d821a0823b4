"""Selectable inference: answer the keys that a request or the endpoint selects.

``algorithms.selection_keys`` defines the keys; each model has one of the key sets. A request
selects keys by the parameter ``output`` of its ``Accept``, or by the custom attribute
``tabular-output``; the endpoint by ``SAGEMAKER_INFERENCE_OUTPUT``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.algorithms.selection_keys import CLASSIFIER_ANSWER, Array, ScoredRows, key_set
from tabular.data.batch import Floats

log = logging.getLogger(__name__)

# Selects the answer that a model gives without keys.
SCORE = ("score",)
ATTRIBUTE = "tabular-output"
# The custom attributes are any text. The keys end at a semicolon, or at an item with "=".
ATTRIBUTE_KEYS = re.compile(
    rf"(?:^|[;,&\s]){ATTRIBUTE}=\s*\"?([\w-]+(?:\s*,\s*[\w-]+(?![\w-]|\s*=))*)", re.IGNORECASE
)


@dataclass(frozen=True)
class Selection:
    """The keys of one answer.

    Attributes
    ----------
    keys : tuple of str
        Empty for the answer without keys: the scores.
    by_client : bool
        The request selected them, so that they must not reach the log.
    """

    keys: tuple[str, ...]
    by_client: bool = False


@dataclass(frozen=True)
class Selected:
    """The values of the selected keys.

    Attributes
    ----------
    columns : mapping of str to array
        By key, in the order of the request, which is the order of CSV columns. The first axis of
        an array is the rows. The value of a row is a number, a text, a list, or a list of lists.
    order : tuple of str
        The same keys in the order of AWS's JSON objects: the order of the model's key set, then
        the keys that the model does not have.
    """

    columns: Mapping[str, Array]
    order: tuple[str, ...]


def keys_of(text: str) -> tuple[str, ...]:
    """Parse keys that are separated by commas, as AWS's container does.

    Case and spaces do not matter, empty entries are skipped, and a repeated key counts once, at
    its first place. An empty result means that nothing is selected.

    >>> keys_of("Probability, predicted_label,,probability")
    ('probability', 'predicted_label')
    """
    keys = text.replace(" ", "").lower().split(",")
    return tuple(dict.fromkeys(key for key in keys if key))


def requested(accepted: str, attributes: str) -> Selection | None:
    """Return the keys that a request selects, or None if it selects none.

    Parameters
    ----------
    accepted : str
        The parameter ``output`` of ``Accept``: before the custom attribute.
    attributes : str
        The request's custom attributes.

    Examples
    --------
    >>> requested("", "trace=7; tabular-output=predicted_label,probability").keys
    ('predicted_label', 'probability')
    """
    keys = keys_of(accepted)
    if not keys and attributes and (found := ATTRIBUTE_KEYS.search(attributes)):
        keys = keys_of(found[1])
    if not keys:
        return None
    return Selection(() if keys == SCORE else keys, by_client=True)


def default_keys(meaning: Meaning) -> tuple[str, ...]:
    """Return the keys of a JSON answer where nothing is selected.

    A classifier answers with its label, and with probabilities if it has them. XGBoost with numbers
    as labels answers with scores, as in AWS's container; so do models whose classes are a guess.
    """
    if len(meaning.classes) == 0 or meaning.guessed:
        return ()
    if meaning.objective and not any(isinstance(label, str) for label in meaning.classes):
        return ()
    table = key_set(meaning)
    return tuple(key for key in CLASSIFIER_ANSWER if key in table)


def values_per_row(keys: Sequence[str], model: Predictor) -> int:
    """Return how many numbers the selected keys may have for each row, to estimate memory."""
    outputs, columns = model.outputs, model.columns.features.count
    explained = {"contributions": outputs * (columns + 1), "leaf": outputs + columns}
    return sum(explained.get(key, outputs) for key in keys)


def select(
    keys: Sequence[str], model: Predictor, rows: Floats, by_client: bool = False
) -> Selected:
    """Compute the selected keys for each row, and only what these keys need.

    The value of a key that the model does not have is NaN in each row, as in AWS's container. The
    log has one warning of such keys; it names those of the endpoint only.

    Parameters
    ----------
    keys : sequence of str
        See ``keys_of``.
    rows : float32 array, (rows, columns)
    by_client : bool
        See ``Selection``.

    Raises
    ------
    RequestError
        The model refuses the rows.
    """
    table = key_set(model.meaning)
    unknown = tuple(key for key in keys if key not in table)
    if unknown and by_client:
        _warn_of_request(model.meaning.objective, tuple(table))
    elif unknown:
        _warn(unknown, model.meaning.objective, tuple(table))
    request = ScoredRows(model, rows)
    columns = {
        key: table[key](request) if key in table else np.full(len(rows), np.nan) for key in keys
    }
    return Selected(columns, (*(key for key in table if key in columns), *unknown))


@lru_cache(maxsize=64)  # the log has one line for each combination, not one for each request
def _warn(unknown: tuple[str, ...], objective: str, known: tuple[str, ...]) -> None:
    log.warning(
        "Selected key(s) %s incompatible for objective '%s'; their values are nan (null in JSON). "
        "Please use compatible ones in SAGEMAKER_INFERENCE_OUTPUT: %s",
        ", ".join(unknown),
        objective or "scikit-learn",
        ", ".join(known),
    )


@lru_cache(maxsize=64)
def _warn_of_request(objective: str, known: tuple[str, ...]) -> None:
    log.warning(
        "A request selected keys that objective '%s' does not have; their values are nan (null in "
        "JSON). It has: %s",
        objective or "scikit-learn",
        ", ".join(known),
    )
