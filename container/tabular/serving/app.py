"""The Flask application: SageMaker's routes around one predictor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from flask import Flask, Response

import tabular
from tabular.algorithms.predictor import Predictor
from tabular.artifact.manifest import Manifest
from tabular.contract.endpoint import Endpoint
from tabular.contract.machine import MEBIBYTE
from tabular.serving.answers.types import JSON
from tabular.serving.errors import ErrorResponse, handle_errors, plain_error_response
from tabular.serving.invocation import model_invoker
from tabular.serving.middleware import observed
from tabular.serving.page import card_of, render
from tabular.serving.selection import default_keys
from tabular.serving.telemetry import CONTENT_TYPE, Telemetry
from tabular.serving.unknown_texts import report_unknown_texts, text_columns

# The largest MaxPayloadInMB of batch transform; 0 would mean no limit.
LARGEST_PAYLOAD_MB = 100


def create_app(
    endpoint: Endpoint,
    predictor: Predictor,
    telemetry: Telemetry | None = None,
    manifest: Manifest | None = None,
) -> Flask:
    """Create the application that serves one model.

    Parameters
    ----------
    endpoint : Endpoint
        Limits and defaults.
    predictor : Predictor
        Called by several threads at the same time.
    telemetry : Telemetry or None
        Counts invocations for ``/metrics``.
    manifest : Manifest or None
        Describes the model on the page and in the metrics.

    Raises
    ------
    UserError
        The default ``Accept`` is not offered.
    """
    meaning = predictor.meaning
    card = card_of(
        manifest,
        predictor.columns.count,
        predictor.engine,
        meaning.answer or ("its label" if default_keys(meaning) else ""),
        labels=[str(label) for label in meaning.classes],
    )
    labels = {
        "algorithm": card.algorithm,
        "objective": meaning.objective,
        "engine": predictor.engine,
        "training_job": card.training_job,
        "version": tabular.__version__,
    }
    app = create_base_app(endpoint, telemetry, labels)
    report_unknown_texts(predictor.columns, telemetry)
    if telemetry is not None:
        telemetry.name_columns(text_columns(predictor.columns))
    invoke = model_invoker(endpoint)

    @app.post("/invocations")
    def invocations() -> Response:
        return invoke(predictor)

    if endpoint.page:
        body, headers = render(card)

        @app.get("/")
        def page() -> Response:
            return Response(body, headers=dict(headers))

    return app


def create_base_app(
    endpoint: Endpoint,
    telemetry: Telemetry | None,
    labels: Mapping[str, str],
    error_response: ErrorResponse = plain_error_response,
    ping_body: str = "",
    execution_parameters: Callable[[], Response] | None = None,
) -> Flask:
    """Create the application without a model: ``/ping``, ``/metrics``, errors.

    Parameters
    ----------
    labels : Mapping[str, str]
        Describe the model in the metric ``tabular_model_info``.
    error_response : callable
        Makes the response of an error from its status and message.
    ping_body : str
        JSON that ``/ping`` answers with, or nothing.
    execution_parameters : callable or None
        Answers ``/execution-parameters``; None answers by the endpoint's limits.
    """
    app = Flask(__name__, static_folder=None)
    handle_errors(app, endpoint.max_body_bytes, error_response)
    if telemetry is not None:
        _add_metrics(app, endpoint, telemetry, labels)

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        return Response(ping_body, mimetype=JSON if ping_body else None)

    own_parameters = json.dumps(
        {
            "MaxConcurrentTransforms": endpoint.max_concurrent_transforms,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": min(max(1, endpoint.max_body_bytes // MEBIBYTE), LARGEST_PAYLOAD_MB),
        }
    )

    @app.get("/execution-parameters")
    def parameters() -> Response:
        if execution_parameters is not None:
            return execution_parameters()
        return Response(own_parameters, mimetype=JSON)

    return app


def _add_metrics(
    app: Flask, endpoint: Endpoint, telemetry: Telemetry, labels: Mapping[str, str]
) -> None:
    app.wsgi_app = observed(app.wsgi_app, telemetry, endpoint.access_log)  # type: ignore[assignment,method-assign]

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(telemetry.text(labels), content_type=CONTENT_TYPE)
