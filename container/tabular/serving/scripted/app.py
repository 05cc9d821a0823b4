"""The Flask application of one model that is served by a script."""

from __future__ import annotations

from flask import Flask, Response

import tabular
from tabular.contract.endpoint import Endpoint
from tabular.serving.app import create_base_app
from tabular.serving.scripted.invocation import (
    check_default_accept,
    script_invoker,
    script_parameters,
)
from tabular.serving.scripted.model import ScriptedModel
from tabular.serving.telemetry import Telemetry


def create_scripted_app(
    endpoint: Endpoint, scripted: ScriptedModel, telemetry: Telemetry | None = None
) -> Flask:
    """Create the application that serves one model with its script.

    Raises
    ------
    UserError
        The default ``Accept`` is not offered.
    """
    check_default_accept(endpoint, scripted)
    labels = {
        "algorithm": "script",
        "objective": "",
        "engine": scripted.script.file.name,
        "training_job": "",
        "version": tabular.__version__,
    }
    parameters = script_parameters(scripted)
    app = create_base_app(endpoint, telemetry, labels, execution_parameters=parameters)
    invoke = script_invoker(endpoint)

    @app.post("/invocations")
    def invocations() -> Response:
        return invoke(scripted)

    return app
