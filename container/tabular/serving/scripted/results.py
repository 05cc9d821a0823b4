r"""Turn what a handler returns into a response, as AWS's server does: a Flask application.

>>> with Flask(__name__).app_context():
...     response_of("output_fn", ({"score": 1}, 201), "application/json").get_data()
b'{"score":1}\n'
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from flask import Flask as Flask  # for the example
from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as AnyResponse

from tabular.contract.errors import RequestError
from tabular.serving.answers.json import plain_value
from tabular.serving.answers.types import JSON

log = logging.getLogger(__name__)

EXPECTED = (
    "text, bytes, a dict, a list, an iterator of text or bytes, a flask.Response, or a tuple of a "
    "body with a content type, a status or headers"
)


def completed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the handler that makes the body run its iterators, which are code of the script too.

    An iterator becomes the bytes of all its parts: a generator, or an open file.
    """

    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        if isinstance(result, tuple) and result and isinstance(result[0], Iterator):
            return (_joined(name, result[0]), *result[1:])
        return _joined(name, result) if isinstance(result, Iterator) else result

    return call


def _joined(name: str, parts: Iterator[Any]) -> bytes:
    return b"".join(_bytes(name, part) for part in parts)


def response_of(name: str, result: Any, accept: str) -> Response:
    """Make the response of a handler's result.

    Parameters
    ----------
    name : str
        The handler, for messages.
    accept : str
        The ``Accept`` of the request: the content type of text and bytes without one.

    Raises
    ------
    RequestError
        500: the result is nothing that HTTP can carry.
    """
    body, rest = (result[0], result[1:]) if isinstance(result, tuple) and result else (result, ())
    try:
        mimetype, status, headers = _described(name, rest)
        if isinstance(body, AnyResponse):
            # The function makes Flask's class of werkzeug's; its annotation has only the latter.
            made = cast("Response", Response.force_type(body))
            if mimetype is not None:
                made.mimetype = mimetype
        else:
            if isinstance(body, dict | list):
                body, mimetype = _json(body), mimetype or JSON
            made = Response(_bytes(name, body), mimetype=mimetype or _media_type(accept))
        made.headers.update(headers)
    except (ValueError, TypeError) as error:  # a lone surrogate, a line end in the content type
        raise RequestError(
            500, f"{name} returned what HTTP can't carry: {error}; correct the script"
        ) from error
    made.status_code = made.status_code if status is None else status
    return made


def _json(value: Any) -> str:
    """Write JSON as Flask does: sorted keys, and NaN where Python has it."""

    def default(other: Any) -> Any:
        try:
            return plain_value(other)  # an array, a frame
        except TypeError:
            return DefaultJSONProvider.default(other)

    return current_app.json.dumps(value, default=default, separators=(",", ":")) + "\n"


def _bytes(name: str, body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    kind = type(body).__name__
    log.error("%s returned a %s, expected %s", name, kind, EXPECTED)
    raise RequestError(500, f"{name} returned a {kind}, expected {EXPECTED}; correct the script")


def _described(name: str, rest: Sequence[Any]) -> tuple[str | None, int | None, Headers]:
    """Return content type, status and headers from what follows the body in a tuple."""
    mimetype, status, headers = None, None, Headers()
    for each in rest:
        if isinstance(each, str):
            mimetype = each
        elif isinstance(each, int) and not isinstance(each, bool) and 200 <= each < 600:
            status = int(each)
        elif isinstance(each, Mapping | list | Headers):
            headers = Headers(each)
        elif each is not None:
            raise RequestError(
                500,
                f"{name} returned {each!r:.40} after the body, expected a content type, a status "
                "from 200 to 599, or headers; correct the script",
            )
    return mimetype, status, headers


def _media_type(accept: str) -> str | None:
    """Return the first content type of an ``Accept``, or None for a wildcard."""
    first = accept.partition(",")[0].partition(";")[0].strip()
    return None if "*" in first else first
