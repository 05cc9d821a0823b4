"""``Response``: a response that ``output_fn`` may return."""

from __future__ import annotations

from typing import Any

import flask

from sagemaker_training import content_types
from sagemaker_training.absent import absent

__getattr__ = absent(
    __name__,
    {
        "Request": "use flask.request",
        "Worker": "serve has its own app, which calls the script",
    },
)


class Response(flask.Response):
    """Flask's response with the default content type JSON.

    Parameters
    ----------
    response : str, bytes or iterable
        The body.
    accept : object
        Ignored.
    """

    default_mimetype = content_types.JSON

    def __init__(
        self,
        response: Any = None,
        accept: object = None,
        status: int | str = 200,
        headers: Any = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        super().__init__(response, status, headers, mimetype, None, direct_passthrough)


def default_healthcheck_fn() -> Response:
    """Return a response with status 200."""
    return Response(status=200)
