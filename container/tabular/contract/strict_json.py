"""Parse JSON strictly: every defect raises ``StrictJSONError``."""

from __future__ import annotations

import json


class StrictJSONError(ValueError):
    """The text is not JSON, or different parsers read it differently."""


def parse_json(text: str | bytes) -> object:
    r"""Parse JSON as RFC 8259 defines it.

    Raises
    ------
    StrictJSONError
        The text is not JSON, not UTF-8 or nested too deep, or it has a number with too many digits,
        ``NaN`` or ``Infinity``, a key twice, or half a surrogate pair. The message is one line.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    tabular.contract.strict_json.StrictJSONError: the key 'a' comes twice; keep one
    """
    try:
        # json.loads would also accept UTF-16 and UTF-32.
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        value: object = json.loads(
            decoded, parse_constant=_refuse_constant, object_pairs_hook=without_duplicates
        )
        if "\\u" in decoded:  # only an escape can produce half a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except StrictJSONError:
        raise
    except json.JSONDecodeError as error:
        raise StrictJSONError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise StrictJSONError(f"not UTF-8 (byte {error.start})") from error
    except UnicodeEncodeError as error:
        raise StrictJSONError("a string holds half of a surrogate pair") from error
    except RecursionError as error:
        raise StrictJSONError("nested too deep") from error
    except ValueError as error:  # Python's limit on the digits of a number
        raise StrictJSONError(
            "a number has too many digits (more than 4,300); write it shorter, or as a string"
        ) from error
    return value


def _refuse_constant(name: str) -> object:
    raise StrictJSONError(f"{name} is not a JSON number")


def without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the members of a JSON object as a dict; raise StrictJSONError for a repeated key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise StrictJSONError(f"the key {twice!r:.100} comes twice; keep one")
    return found
