"""The Flask application: SageMaker's routes around one predictor."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

import tabular
from tabular.algorithms.predictor import Predictor
from tabular.artifact.manifest import Manifest
from tabular.contract.endpoint import MEBIBYTE, Endpoint
from tabular.contract.errors import RequestError
from tabular.serving import logs
from tabular.serving.invocation import answers, echoed
from tabular.serving.logged_errors import without_text
from tabular.serving.logs import INFERENCE_ID
from tabular.serving.page import card_of, render
from tabular.serving.telemetry import CONTENT_TYPE, Telemetry
from tabular.serving.watch import watched

log = logging.getLogger(__name__)


def create_app(
    endpoint: Endpoint,
    predictor: Predictor,
    telemetry: Telemetry | None = None,
    manifest: Manifest | None = None,
) -> Flask:
    """Make the application that serves one model.

    Parameters
    ----------
    endpoint : Endpoint
        Limits and defaults.
    predictor : Predictor
        Called from several threads at once.
    telemetry : Telemetry or None
        Counts requests for ``/metrics``.
    manifest : Manifest or None
        What the page and the metrics tell of the model.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    card = card_of(manifest, predictor.columns.count, predictor.engine, predictor.meaning.answer)
    described = {
        "algorithm": card.algorithm,
        "objective": predictor.meaning.objective,
        "engine": predictor.engine,
        "training_job": card.training_job,
        "version": tabular.__version__,
    }
    app = bare_app(endpoint, telemetry, described)
    answer = answers(endpoint)

    @app.post("/invocations")
    def invocations() -> Response:
        return answer(predictor)

    if endpoint.page:
        body, headers = render(card)

        @app.get("/")
        def page() -> Response:
            return Response(body, headers=dict(headers))

    return app


def bare_app(
    endpoint: Endpoint,
    telemetry: Telemetry | None,
    described: Mapping[str, str],
    refuse: Callable[[int, str], Response] | None = None,
    health: str = "",
    parameters: Callable[[], Response] | None = None,
) -> Flask:
    """Make the application without a model: what it answers whatever it serves, and errors.

    Parameters
    ----------
    described : Mapping[str, str]
        The model, in the labels of a metric.
    refuse : callable or None
        Makes the answer of an error from its status and message; None takes ``error_response``.
    health : str
        JSON that ``/ping`` answers with, or nothing.
    parameters : callable or None
        Answers ``/execution-parameters`` in our place.
    """
    error_answer = refuse or error_response
    app = Flask(__name__, static_folder=None)
    if telemetry is not None:
        _watch(app, endpoint, telemetry, described)
    execution_parameters = json.dumps(
        {
            "MaxConcurrentTransforms": endpoint.transforms,
            "BatchStrategy": "MULTI_RECORD",
            # 0 would mean no limit; batch transform takes 100 at most.
            "MaxPayloadInMB": min(max(1, endpoint.max_body_bytes // MEBIBYTE), 100),
        }
    )

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        return Response(health, mimetype="application/json" if health else None)

    @app.get("/execution-parameters")
    def computed() -> Response:
        if parameters is not None:
            return parameters()
        return Response(execution_parameters, mimetype="application/json")

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        if INFERENCE_ID in request.environ:  # for whoever looks for the request of this id
            extra = logs.inference_id(request.environ)
            log.warning("%s: %d %s", request.path, error.status, error.logged[:300], extra=extra)
        return echoed(error_answer(error.status, str(error)))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return error_answer(
            413,
            f"The body is larger than {endpoint.max_body_bytes} bytes; send fewer rows in one "
            "request, or set the environment variable MAX_CONTENT_LENGTH (in bytes) on the model",
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.response is not None:  # made by a script
            return Response.force_type(error.response)  # type: ignore[arg-type,return-value]
        message = f"{request.method} {request.path}: {error.name}{_hint(error)}"
        response = error_answer(error.code or 500, message)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        extra = logs.inference_id(request.environ)
        log.error(
            "%s %s failed", request.method, request.path, exc_info=without_text(error), extra=extra
        )
        return error_answer(
            500, f"{type(error).__name__}: a fault of the server; its log has the traceback"
        )

    return app


def _hint(error: HTTPException) -> str:
    if isinstance(error, MethodNotAllowed):
        return f"; send {' or '.join(sorted(error.valid_methods or ()))}"
    return "; predictions are POST /invocations" if error.code == 404 else ""


def _watch(
    app: Flask, endpoint: Endpoint, telemetry: Telemetry, described: Mapping[str, str]
) -> None:
    app.wsgi_app = watched(app.wsgi_app, telemetry, endpoint.access_log)  # type: ignore[assignment,method-assign]

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(telemetry.text(described), content_type=CONTENT_TYPE)


def error_response(status: int, message: str) -> Response:
    """Answer with one line of text, or with JSON when the client accepts only that."""
    accept = request.environ.get("HTTP_ACCEPT", "").partition(";")[0].strip().lower()
    if accept == "application/json":
        return Response(json.dumps({"error": message}), status, mimetype="application/json")
    return Response(message + "\n", status, mimetype="text/plain")
