"""Read one JSON file of ``/opt/ml/input/config``."""

from __future__ import annotations

from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.strict_json import StrictJSONError, parse_json


def read_object(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Returns
    -------
    dict
        ``{}`` when the file is absent or empty: SageMaker leaves out what a job does not use.

    Raises
    ------
    UserError
        The file is not UTF-8, not JSON (names line and column, or what is wrong), or not an object.
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
        value = parse_json(text)
    except StrictJSONError as error:
        raise UserError(f"{path} is not JSON: {error}; expected an object {{...}}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON {type(value).__name__}, expected an object {{...}}")
    return value
