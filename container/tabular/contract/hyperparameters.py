"""Hyperparameters as they arrive: a map of names to strings, in three styles."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tabular.contract.config_file import fits_variable
from tabular.contract.errors import UserError

# Names the algorithm of a job; absent for XGBoost.
ALGORITHM = "algorithm"
# The SDK's generic Estimator sends str(value), so Python's own spelling arrives for these.
PYTHON_LITERALS: Mapping[str, object] = {"True": True, "False": False, "None": None}


def decode(value: object, python_literals: bool = True) -> object:
    r"""Turn one value into what the customer wrote.

    SageMaker sends strings. Framework estimators JSON-encode each of them
    (``"\"reg:squarederror\""``, ``"true"``, ``"null"``, ``"[1, 2]"``), the generic
    Estimator sends ``str(value)`` (``"True"``, ``"None"``), everything else is plain text.
    The rule "JSON, else the text itself" is the one of AWS's training toolkit. Values that
    are no strings (a file written by hand) are taken as they are.

    Parameters
    ----------
    python_literals : bool
        Read ``"True"``, ``"False"`` and ``"None"`` as Python does. The toolkit leaves them text,
        and so a script gets them as text.
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
        A name or a value can't stand in an environment variable (``SM_HP_<NAME>``).
    """
    for name, value in raw.items():
        if "=" in name or not all(map(fits_variable, (name, str(value)))):
            raise UserError(
                f"Hyperparameter {name!r}: its name or value holds a character that no "
                "environment variable can (=, NUL, half a surrogate pair); leave it out"
            )
    return {name: decode(value, python_literals) for name, value in raw.items()}
