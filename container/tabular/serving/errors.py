"""Error responses of the application, and of the event loop, which runs before it.

An error's body is one line of text, or JSON where the client accepts only JSON. A multi-model
endpoint answers as Multi Model Server does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from tabular.contract.errors import RequestError
from tabular.contract.machine import is_out_of_memory, memory_advice
from tabular.serving import logs
from tabular.serving.answers.types import JSON
from tabular.serving.invocation import with_custom_attributes
from tabular.serving.logs import INFERENCE_ID
from tabular.serving.redacted_exceptions import without_text
from tabular.serving.request_framing import HEAD_BYTES

log = logging.getLogger(__name__)

# Makes a response from a status and a message.
ErrorResponse: TypeAlias = Callable[[int, str], Response]

# Multi Model Server's names of errors; SageMaker uses only the status.
MULTI_MODEL_TYPES = {
    400: "BadRequestException",
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    406: "NotAcceptableException",
    408: "RequestTimeoutException",
    409: "ConflictStatusException",
    413: "RequestEntityTooLargeException",
    415: "UnsupportedMediaTypeException",
    503: "ServiceUnavailableException",
    507: "InsufficientStorageException",
}
SERVER_FAULT = "InternalServerException"
MODEL_NOT_FOUND = "ModelNotFoundException"
EVENT_LOOP_MESSAGES = {
    HTTPStatus.REQUEST_TIMEOUT: (
        "The request's {part} did not arrive within {seconds:.0f} s of its first byte; send it "
        "faster"
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        f"The request's head is longer than {HEAD_BYTES} bytes; send shorter headers"
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The memory for requests is used up by bodies that arrive slowly; send this request again"
    ),
}


def plain_error_response(status: int, message: str) -> Response:
    """Make a response of one line of text, or of JSON when the client accepts only JSON."""
    accept = request.environ.get("HTTP_ACCEPT", "").partition(";")[0].strip().lower()
    if accept == JSON:
        return Response(json.dumps({"error": message}), status, mimetype=JSON)
    return Response(message + "\n", status, mimetype="text/plain")


def multi_model_response(value: Mapping[str, object], status: int = 200) -> Response:
    """Make a response of indented JSON, as Multi Model Server does."""
    return Response(multi_model_json(value), status, mimetype=JSON)


def multi_model_json(value: Mapping[str, object]) -> str:
    """Write JSON as Multi Model Server does."""
    return json.dumps(value, indent=2) + "\n"


def multi_model_error_response(status: int, message: str) -> Response:
    """Make Multi Model Server's response: ``{"code", "type", "message"}``."""
    kind = MULTI_MODEL_TYPES.get(status, SERVER_FAULT)
    if status == 404 and request.path.startswith("/models"):
        kind = MODEL_NOT_FOUND
    return multi_model_response({"code": status, "type": kind, "message": message}, status)


def event_loop_response(status: int, seconds: float, part: str) -> bytes:
    """Write the response to a request that never reaches the application; the connection closes.

    Parameters
    ----------
    status : int
        408, 431 or 503.
    seconds : float
        How long the event loop has waited for the request.
    part : str
        What did not arrive: the head or the body.
    """
    answered = HTTPStatus(status)
    body = EVENT_LOOP_MESSAGES[answered].format(seconds=seconds, part=part) + "\n"
    return (
        f"HTTP/1.1 {status} {answered.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def handle_errors(app: Flask, max_body_bytes: int, respond: ErrorResponse) -> None:
    """Register the application's handlers of exceptions."""

    @app.errorhandler(RequestError)
    def request_error(error: RequestError) -> Response:
        if INFERENCE_ID in request.environ:  # the caller can search the log for its id
            extra = logs.inference_id(request.environ)
            log.warning("%s: %d %s", request.path, error.status, error.logged[:300], extra=extra)
        return with_custom_attributes(respond(error.status, str(error)))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return respond(
            413,
            f"The body is larger than {max_body_bytes} bytes; send fewer rows in one "
            "request, or set the environment variable MAX_CONTENT_LENGTH (in bytes) on the model",
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.response is not None:  # from a script
            return Response.force_type(error.response)  # type: ignore[arg-type,return-value]
        message = f"{request.method} {request.path}: {error.name}{_hint(error)}"
        response = respond(error.code or 500, message)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def server_fault(error: Exception) -> Response:
        extra = logs.inference_id(request.environ)
        if is_out_of_memory(error):
            log.error("%s %s: out of memory", request.method, request.path, extra=extra)
            return respond(
                503,
                f"There is not enough memory to answer this request: {memory_advice()}, or send "
                "fewer rows in one request",
            )
        log.error(
            "%s %s failed", request.method, request.path, exc_info=without_text(error), extra=extra
        )
        return respond(
            500, f"{type(error).__name__}: a fault of the server; its log has the traceback"
        )


def _hint(error: HTTPException) -> str:
    if isinstance(error, MethodNotAllowed):
        return f"; send {' or '.join(sorted(error.valid_methods or ()))}"
    return "; predictions are POST /invocations" if error.code == 404 else ""
