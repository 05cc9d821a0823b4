"""Read one JSON file of ``/opt/ml/input/config``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.paths import open_regular_file
from tabular.contract.strict_json import StrictJSONError, parse_json

# SageMaker's own files are below 300 kB: 100 hyperparameters of 2,500 characters.
MOST_BYTES = 16 << 20


def read_object(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Returns
    -------
    dict
        ``{}`` when the file is absent or empty: SageMaker writes only the files that a job uses.

    Raises
    ------
    UserError
        The file is not a regular file, is larger than 16 MiB, or is not a JSON object in UTF-8. The
        message names the line and the column, or the defect.
    """
    try:
        text = _read(path).decode("utf-8-sig")
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
        kind = "null" if value is None else type(value).__name__
        raise UserError(f"{path} holds a JSON {kind}, expected an object {{...}}")
    return value


def given(config: Mapping[str, object]) -> dict[str, object]:
    """Return the entries that are not null: tools write null for what a job does not set.

    >>> given({"num_round": "3", "seed": None})
    {'num_round': '3'}
    """
    return {name: value for name, value in config.items() if value is not None}


def require_text(value: object, where: str, expected: str) -> str:
    """Return a value if it is a string that an environment variable (``SM_...``) can hold.

    Parameters
    ----------
    where : str
        The file and the field, for the message.
    expected : str
        A description of valid values, for the message.

    Raises
    ------
    UserError
        The value is not a string, or it has NUL or half a surrogate pair.
    """
    if not isinstance(value, str) or not fits_variable(value):
        raise UserError(f"{where} is {_shown(value)}, expected {expected}")
    return value


def fits_variable(text: str) -> bool:
    """Return whether an environment variable can hold a text: no NUL, no half surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _read(path: Path) -> bytes:
    try:
        with open_regular_file(path) as source:
            content = source.read(MOST_BYTES + 1)
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}, expected a JSON file") from error
    if len(content) > MOST_BYTES:
        raise UserError(
            f"{path} is larger than {MOST_BYTES >> 20} MiB; put large values into a channel"
        )
    return content


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
