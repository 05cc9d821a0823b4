"""The Flask application: SageMaker's routes around one predictor."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from tabular.contract.endpoint import MEBIBYTE, Endpoint
from tabular.serving.errors import RequestError
from tabular.serving.invocation import answers
from tabular.serving.predictors import Predictor

log = logging.getLogger(__name__)


def create_app(endpoint: Endpoint, predictor: Predictor) -> Flask:
    """Make the application that serves one model.

    Parameters
    ----------
    endpoint : Endpoint
        Limits and defaults.
    predictor : Predictor
        Called from several threads at once.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    app = bare_app(endpoint)
    answer = answers(endpoint)

    @app.post("/invocations")
    def invocations() -> Response:
        return answer(predictor)

    return app


def bare_app(
    endpoint: Endpoint,
    refuse: Callable[[int, str], Response] | None = None,
    health: str = "",
) -> Flask:
    """Make the application without a model: what it answers whatever it serves, and errors.

    Parameters
    ----------
    refuse : callable or None
        Makes the answer of an error from its status and message; None takes ``error_response``.
    health : str
        JSON that ``/ping`` answers with, or nothing.
    """
    error_answer = refuse or error_response
    app = Flask(__name__, static_folder=None)
    execution_parameters = json.dumps(
        {
            "MaxConcurrentTransforms": endpoint.workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": endpoint.max_body_bytes // MEBIBYTE,
        }
    )

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        return Response(health, mimetype="application/json" if health else None)

    @app.get("/execution-parameters")
    def parameters() -> Response:
        return Response(execution_parameters, mimetype="application/json")

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        return error_answer(error.status, str(error))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return error_answer(
            413,
            f"The body is larger than {endpoint.max_body_bytes} bytes; send fewer rows in one "
            "request, or set the environment variable MAX_CONTENT_LENGTH (in bytes) on the model",
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        message = f"{request.method} {request.path}: {error.name}"
        response = error_answer(error.code or 500, message)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return error_answer(
            500, f"{type(error).__name__}: a fault of the server; its log has the traceback"
        )

    return app


def error_response(status: int, message: str) -> Response:
    """Answer with one line of text, or with JSON when the client accepts only that."""
    accept = request.environ.get("HTTP_ACCEPT", "").partition(";")[0].strip().lower()
    if accept == "application/json":
        return Response(json.dumps({"error": message}), status, mimetype="application/json")
    return Response(message + "\n", status, mimetype="text/plain")
