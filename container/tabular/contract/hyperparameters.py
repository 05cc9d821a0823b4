"""Hyperparameters as they arrive: a map of names to strings, in three styles."""

from __future__ import annotations

import json
from collections.abc import Mapping

# The SDK's generic Estimator sends str(value), so Python's own spelling arrives for these.
PYTHON_LITERALS: Mapping[str, object] = {"True": True, "False": False, "None": None}


def decode(value: object) -> object:
    r"""Turn one value into what the customer wrote.

    SageMaker sends strings. Framework estimators JSON-encode each of them
    (``"\"reg:squarederror\""``, ``"true"``, ``"null"``, ``"[1, 2]"``), the generic
    Estimator sends ``str(value)`` (``"True"``, ``"None"``), everything else is plain text.
    The rule "JSON, else the text itself" is the one of AWS's training toolkit. Values that
    are no strings (a file written by hand) are taken as they are.
    """
    if not isinstance(value, str):
        return value
    if value in PYTHON_LITERALS:
        return PYTHON_LITERALS[value]
    try:
        return json.loads(value)
    except ValueError:
        return value


def decode_all(raw: Mapping[str, object]) -> dict[str, object]:
    """Decode every hyperparameter of ``hyperparameters.json``."""
    return {name: decode(value) for name, value in raw.items()}
