"""Decode JSON; errors name line and character."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, times)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"an object has the key {name[:40]!r} {times} times; give each key once")
    return found


# Integers are decoded as floats, as in CSV: an integer of 400 digits becomes infinite and is
# no error.
DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float)


def decode(content: bytes, line: int = 1) -> Any:
    """Decode a document to float, bool, None, str, list and dict. NaN and Infinity are numbers.

    Parameters
    ----------
    line : int
        The number of the content's first line, for error messages.

    Raises
    ------
    ValueError
        The content is not JSON, not UTF-8, nested too deeply, or has a key twice in an object.
    """
    try:
        return DECODER.decode(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        byte = error.start - content.rfind(b"\n", 0, error.start)
        raise ValueError(f"line {line}: byte {byte} is not UTF-8; send UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"line {line + error.lineno - 1}, character {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply; a row is one list") from error
