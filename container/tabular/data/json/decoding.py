"""From bytes to what a JSON document holds; what can't be read is named by line and character."""

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


# Numbers are floats whether they have a point or not, as in CSV: a whole number of 400 digits
# is infinite, and no error.
DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float)


def decode(content: bytes, line: int = 1) -> Any:
    """Read a document: floats, bools, None, str, lists, dicts. NaN and Infinity are numbers.

    Parameters
    ----------
    line : int
        The number of the content's first line, for messages.

    Raises
    ------
    ValueError
        No JSON, not UTF-8, a key twice in one object, or nested too deeply.
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
