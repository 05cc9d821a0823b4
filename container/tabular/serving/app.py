"""The Flask application: SageMaker's routes around one predictor."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from tabular.contract.endpoint import MEBIBYTE, Endpoint
from tabular.contract.errors import UserError
from tabular.data.batch import ColumnCountError, Floats
from tabular.data.columns import Columns
from tabular.data.formats import format_of, guess
from tabular.serving.errors import RequestError
from tabular.serving.predictors import Predictor
from tabular.serving.responses import ENCODERS, choose

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 16
# Enough of a body to tell its format by, when it has no content type.
LOOKED_AT_BYTES = 1 << 12
# The largest payload of batch transform.
DRAINED_BYTES = 100 * MEBIBYTE


def create_app(predictor: Predictor, endpoint: Endpoint) -> Flask:
    """Make the application.

    Parameters
    ----------
    predictor : Predictor
        Called from several threads at once.
    endpoint : Endpoint
        Limits and defaults.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    app = Flask(__name__, static_folder=None)
    if endpoint.default_accept not in ENCODERS:
        raise UserError(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {endpoint.default_accept!r}, expected one "
            f"of {', '.join(ENCODERS)}; correct it or unset it"
        )
    execution_parameters = json.dumps(
        {
            "MaxConcurrentTransforms": endpoint.workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": endpoint.max_body_bytes // MEBIBYTE,
        }
    )

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        return Response()

    @app.get("/execution-parameters")
    def parameters() -> Response:
        return Response(execution_parameters, mimetype="application/json")

    @app.post("/invocations")
    def invocations() -> Response:
        body = read_whole(endpoint.max_body_bytes)
        if not body:
            return Response(status=204)
        rows = read_rows(body, request.environ.get("CONTENT_TYPE"), predictor.columns)
        accept = choose(request.environ.get("HTTP_ACCEPT"), endpoint.default_accept)
        return Response(ENCODERS[accept](predictor.predict(rows)), mimetype=accept)

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        return error_response(error.status, str(error))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return error_response(
            413,
            f"The body is larger than {endpoint.max_body_bytes} bytes; send fewer rows in one "
            "request, or set the environment variable MAX_CONTENT_LENGTH (in bytes) on the model",
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        message = f"{request.method} {request.path}: {error.name}"
        response = error_response(error.code or 500, message)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return error_response(
            500, f"{type(error).__name__}: a fault of the server; its log has the traceback"
        )

    return app


def read_whole(limit: int) -> bytes:
    """Read the body, of known length or in chunks.

    What is beyond the limit is read too, and dropped: closing a connection with unread bytes
    resets it, and the client never sees the answer.

    Raises
    ------
    RequestEntityTooLarge
        The body is larger than the limit.
    RequestError
        400: it broke off.
    """
    length = request.content_length
    if length is not None and length <= limit:
        return request.get_data(cache=False)
    body = bytearray()
    size = 0
    try:
        while size <= max(limit, DRAINED_BYTES) and (block := request.stream.read(BLOCK_BYTES)):
            size += len(block)
            if size <= limit:
                body += block
    except Exception as error:  # the HTTP server has its own for a broken chunk, a lost client
        raise RequestError(
            400, f"The body can't be read beyond {size} bytes: {type(error).__name__}"
        ) from error
    if size > limit:
        raise RequestEntityTooLarge
    return bytes(body)


def read_rows(body: bytes, content_type: str | None, columns: Columns) -> Floats:
    """Turn a request's body into rows that fit the model.

    Raises
    ------
    RequestError
        415: unknown content type, or a body that is not what it says. 400: another number
        of columns than the model has features. The first words are AWS's.
    """
    try:
        form = format_of(content_type) if content_type else guess(body[:LOOKED_AT_BYTES])
    except UserError as error:
        raise RequestError(415, str(error)) from error
    if form.read_body is None:
        raise RequestError(415, f"{content_type or form.name} is not accepted in requests.")
    try:
        return form.read_body(body, columns)
    except ColumnCountError as error:
        one_more = form.name == "csv" and error.found == error.expected + 1
        hint = " (is the label among them?)" if one_more else ""
        raise RequestError(
            400,
            f"Unable to evaluate payload provided: Feature size of {form.name} inference data "
            f"{error.found} is not consistent with feature size of trained model "
            f"{error.expected}: {error}{hint}.",
        ) from error
    except ValueError as error:
        raise RequestError(
            415,
            f"Loading {form.name} data failed with Exception, please ensure data is in "
            f"{form.name} format: {error}",
        ) from error


def error_response(status: int, message: str) -> Response:
    """Answer with one line of text, or with JSON when the client accepts only that."""
    accept = request.environ.get("HTTP_ACCEPT", "").partition(";")[0].strip().lower()
    if accept == "application/json":
        return Response(json.dumps({"error": message}), status, mimetype="application/json")
    return Response(message + "\n", status, mimetype="text/plain")
