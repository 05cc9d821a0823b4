"""Decode the strings of ``hyperparameters.json``, which the SDK writes in three styles."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tabular.contract.config_file import fits_variable
from tabular.contract.errors import UserError

# The hyperparameter that names the algorithm; XGBoost when it is absent.
ALGORITHM = "algorithm"
# The SDK's generic Estimator sends str(value), so True, False and None have Python's spelling.
PYTHON_LITERALS: Mapping[str, object] = {"True": True, "False": False, "None": None}


def decode(value: object, python_literals: bool = True) -> object:
    r"""Decode one value to the value that the customer wrote.

    SageMaker sends strings. The SDK's framework estimators encode each value as JSON
    (``"\"reg:squarederror\""``, ``"true"``, ``"null"``, ``"[1, 2]"``). The generic Estimator sends
    ``str(value)`` (``"True"``, ``"None"``). Any other string is plain text. Plain text is returned
    unchanged, as in AWS's training toolkit. A value that is not a string, from a file written by
    hand, is returned unchanged too.

    Parameters
    ----------
    python_literals : bool
        Decode ``"True"``, ``"False"`` and ``"None"`` too. False for scripts: the toolkit passes
        these values to scripts as strings.

    Examples
    --------
    >>> [decode(text) for text in ("0.3", '"hist"', "hist", "True", "[1, 2]")]
    [0.3, 'hist', 'hist', True, [1, 2]]
    """
    if not isinstance(value, str):
        return value
    if python_literals and value in PYTHON_LITERALS:
        return PYTHON_LITERALS[value]
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def decode_all(raw: Mapping[str, object], python_literals: bool = True) -> dict[str, object]:
    """Decode every hyperparameter of ``hyperparameters.json``.

    Raises
    ------
    UserError
        An environment variable (``SM_HP_<NAME>``) can't hold a name or a value.
    """
    for name, value in raw.items():
        if "=" in name or not all(map(fits_variable, (name, str(value)))):
            raise UserError(
                f"Hyperparameter {name!r}: its name or value has a character that an "
                "environment variable can't hold (=, NUL, half a surrogate pair); remove it"
            )
    return {name: decode(value, python_literals) for name, value in raw.items()}
