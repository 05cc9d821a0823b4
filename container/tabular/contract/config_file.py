"""Read one JSON file of ``/opt/ml/input/config``."""

from __future__ import annotations

import json
from pathlib import Path

from tabular.contract.errors import UserError


def read_object(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Returns
    -------
    dict
        ``{}`` when the file is absent or empty: SageMaker leaves out what a job does not use.

    Raises
    ------
    UserError
        The file is not UTF-8, not JSON (names line and column), or not an object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:  # Python reads no whole number of more than 4,300 digits
        raise UserError(f"{path} can't be read: it holds a number of too many digits") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep, expected an object {{...}}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON {type(value).__name__}, expected an object {{...}}")
    return value
