"""Content negotiation: the response's type by the request's ``Accept`` header."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tabular.contract.errors import RequestError

QUALITY = re.compile(r"0(\.[0-9]*)?|\.[0-9]+|1(\.0*)?")


def choose(accept: str | None, default: str, offered: Collection[str]) -> str:
    """Choose the response's content type by the rules of RFC 9110.

    The offered type with the highest quality is chosen. If several types have this quality, a type
    that the header names is chosen before types that a wildcard covers, then the default, then the
    type that comes first in the header. For each type the most specific range counts:
    ``text/csv;q=0`` excludes CSV from ``*/*``. Other parameters are ignored, as in AWS's container.

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


def _ranges(accept: str) -> dict[str, tuple[float, int]]:
    """Read the quality and the place of each range; a range of invalid quality is ignored."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, item in enumerate(accept.lower().split(",")):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        if QUALITY.fullmatch(quality):
            # Java's HttpURLConnection sends a lone asterisk.
            ranges.setdefault("*/*" if name == "*" else name, (float(quality), place))
    return ranges


def _rank(
    name: str, ranges: Mapping[str, tuple[float, int]], default: str
) -> tuple[float, int, bool, int]:
    for exactness, wanted in ((2, name), (1, name.partition("/")[0] + "/*"), (0, "*/*")):
        if wanted in ranges:
            quality, place = ranges[wanted]
            return quality, exactness, name == default, -place
    return 0.0, 0, False, 0
