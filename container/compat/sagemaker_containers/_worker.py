"""``Response``: what a script's ``output_fn`` may return."""

from __future__ import annotations

from typing import Any

import flask

from sagemaker_training import content_types
from sagemaker_training.absent import absent

__getattr__ = absent(
    __name__,
    {
        "Request": "use flask.request",
        "Worker": "serve has an app of its own, which calls the script",
    },
)


class Response(flask.Response):
    """Flask's response, of JSON unless said otherwise.

    Parameters
    ----------
    response : str, bytes or iterable
        The body.
    accept : object
        Means nothing any more.
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
    """Say that the container is well."""
    return Response(status=200)
