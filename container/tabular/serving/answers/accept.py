"""Content negotiation: the response's type and its keys by the request's ``Accept`` header."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tabular.contract.errors import RequestError

# The parameter that selects keys: ``application/json; output=predicted_label,probability``.
OUTPUT = "output="
QUALITY = re.compile(r"0(\.[0-9]*)?|\.[0-9]+|1(\.0*)?")


def choose(accept: str | None, default: str, offered: Collection[str]) -> str:
    """Choose the response's content type by the rules of RFC 9110.

    The offered type with the highest quality is chosen. If several types have this quality, a type
    that the header names is chosen before types that a wildcard covers, then the default, then the
    type that comes first in the header. For each type the most specific range counts:
    ``text/csv;q=0`` excludes CSV from ``*/*``. The parameter ``output`` is read by ``output_of``;
    others are ignored, as in AWS's container.

    Parameters
    ----------
    accept : str or None
        The request's ``Accept``: a content type or a list of them, with or without parameters.
    default : str
        Chosen where the header is missing or ``*/*``.
    offered : collection of str

    Raises
    ------
    RequestError
        406: none of the accepted types is offered. The message begins with AWS's words.

    Examples
    --------
    >>> choose("text/*;q=0.5, application/json", "text/csv", ["text/csv", "application/json"])
    'application/json'
    """
    if accept is not None and accept in offered:
        return accept
    if not accept or accept == "*/*":
        return default
    ranges = _ranges(accept)
    best = max(offered, key=lambda name: _rank(name, ranges, default))
    if _rank(best, ranges, default)[0] > 0:
        return best
    raise RequestError(
        406,
        f"Accept type {accept} is not supported. "
        f"Please use supported accept types: {', '.join(offered)}.",
        "no accepted type is offered",
    )


def output_of(accept: str | None, content_type: str) -> str:
    """Return the parameter ``output`` of the range that a content type was chosen by.

    The keys in it may be in quotes, as RFC 9110 requires of a text with commas, or not.

    Parameters
    ----------
    content_type : str
        What ``choose`` returned.

    Returns
    -------
    str
        The keys, separated by commas; empty if there is no such parameter.

    Examples
    --------
    >>> output_of('text/csv, application/json; output="labels,probability"', "application/json")
    'labels,probability'
    >>> output_of("*/*; output=labels, probability; q=0.5", "text/csv")
    'labels,probability'
    """
    if not accept or OUTPUT not in accept.lower():
        return ""
    ranges = _ranges(accept)
    return next((ranges[name].output for name in _covering(content_type) if name in ranges), "")


@dataclass(frozen=True)
class _Range:
    quality: float
    place: int
    output: str


def _ranges(accept: str) -> dict[str, _Range]:
    """Read the ranges by name; a range of invalid quality is ignored."""
    ranges: dict[str, _Range] = {}
    for place, (name, parameters) in enumerate(_items(accept.lower())):
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        output = next((text for text in parameters if text.startswith(OUTPUT)), "")
        if QUALITY.fullmatch(quality):
            found = _Range(float(quality), place, output.removeprefix(OUTPUT).replace('"', ""))
            # Java's HttpURLConnection sends a lone asterisk.
            ranges.setdefault("*/*" if name == "*" else name, found)
    return ranges


def _items(accept: str) -> list[tuple[str, list[str]]]:
    """Split a header into ranges and their parameters.

    A comma within the keys of ``output`` does not end the range: a key has no slash, and every
    range has one.
    """
    items: list[tuple[str, list[str]]] = []
    for item in accept.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        last = items[-1][1] if items else []
        if last and last[-1].startswith(OUTPUT) and "/" not in name and name != "*":
            last[-1] += f",{name}"
            last += parameters
        else:
            items.append((name, parameters))
    return items


def _covering(content_type: str) -> tuple[str, str, str]:
    """Return the names of the ranges that cover a content type, the most specific first."""
    return content_type, content_type.partition("/")[0] + "/*", "*/*"


def _rank(name: str, ranges: Mapping[str, _Range], default: str) -> tuple[float, int, bool, int]:
    for exactness, wanted in zip((2, 1, 0), _covering(name), strict=True):
        if wanted in ranges:
            found = ranges[wanted]
            return found.quality, exactness, name == default, -found.place
    return 0.0, 0, False, 0
