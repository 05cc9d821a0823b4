"""Selectable inference: answer the keys of ``SAGEMAKER_INFERENCE_OUTPUT``, one column for each.

``algorithms.selection_keys`` defines the keys; each model has one of the key sets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tabular.algorithms.predictor import Predictor
from tabular.algorithms.selection_keys import Array, ScoredRows, key_set
from tabular.data.batch import Floats

log = logging.getLogger(__name__)


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
    """Parse ``SAGEMAKER_INFERENCE_OUTPUT``: keys separated by commas.

    Case and spaces do not matter, empty entries are skipped, and a repeated key counts once, at
    its first place. An empty result means that nothing is selected.

    >>> keys_of("Probability, predicted_label,,probability")
    ('probability', 'predicted_label')
    """
    keys = text.replace(" ", "").lower().split(",")
    return tuple(dict.fromkeys(key for key in keys if key))


def select(keys: Sequence[str], model: Predictor, rows: Floats) -> Selected:
    """Compute the selected keys for each row, and only what these keys need.

    The value of a key that the model does not have is NaN in each row, as in AWS's container. The
    log names such keys once.

    Parameters
    ----------
    keys : sequence of str
        See ``keys_of``.
    rows : float32 array, (rows, columns)

    Raises
    ------
    RequestError
        The model refuses the rows.
    """
    table = key_set(model.meaning)
    unknown = tuple(key for key in keys if key not in table)
    if unknown:
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
