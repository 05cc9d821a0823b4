"""Scores to bytes, by what the client accepts; the bytes are those of AWS's container."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from tabular.serving.errors import RequestError

Scores = npt.NDArray[np.float32]


def csv_body(scores: Scores) -> bytes:
    """Write one line a row, classes separated by commas; float32 shown as the nearest float64."""
    rows: list[Any] = scores.tolist()
    if scores.ndim > 1:
        return "".join(f"{','.join(map(repr, row))}\n" for row in rows).encode()
    return ("\n".join(map(repr, rows)) + "\n").encode()


def json_body(scores: Scores) -> bytes:
    """Write ``{"predictions": [{"score": ...}, ...]}``; a list of scores for several classes."""
    return json.dumps({"predictions": [{"score": score} for score in scores.tolist()]}).encode()


ENCODERS: dict[str, Callable[[Scores], bytes]] = {
    "application/json": json_body,
    "text/csv": csv_body,
}


def choose(accept: str | None, default: str) -> str:
    """Choose the response's content type.

    Parameters
    ----------
    accept : str or None
        The request's ``Accept``: one type, with or without parameters, or a list of them.
    default : str
        Taken when there is none, or when anything will do.

    Raises
    ------
    RequestError
        406: none of the accepted types is offered. The first words are AWS's.
    """
    if accept in ENCODERS:
        return accept
    if not accept or accept == "*/*":
        accept = default
    # The default stands first, so that it wins among equals.
    offered = sorted(ENCODERS, key=lambda name: name != default)
    # Parameters (charset) do not count, as in AWS's container.
    accepted = MIMEAccept(
        (name.partition(";")[0].strip(), quality)
        for name, quality in parse_accept_header(accept.lower(), MIMEAccept)
    )
    chosen = accepted.best_match(offered)
    if chosen is None:
        raise RequestError(
            406,
            f"Accept type {accept} is not supported. "
            f"Please use supported accept types: {', '.join(ENCODERS)}.",
        )
    return chosen
