"""The Flask application of one model that a script serves."""

from __future__ import annotations

from flask import Flask, Response

import tabular
from tabular.contract.endpoint import Endpoint
from tabular.serving.app import bare_app
from tabular.serving.scripted.invocation import (
    check_default_accept,
    scripted_answers,
    scripted_parameters,
)
from tabular.serving.scripted.model import ScriptedModel
from tabular.serving.telemetry import Telemetry


def create_scripted_app(
    endpoint: Endpoint, scripted: ScriptedModel, telemetry: Telemetry | None = None
) -> Flask:
    """Make the application that serves one model by its script.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    check_default_accept(endpoint, scripted)
    described = {
        "algorithm": "script",
        "objective": "",
        "engine": scripted.script.file.name,
        "training_job": "",
        "version": tabular.__version__,
    }
    parameters = scripted_parameters(scripted)
    app = bare_app(endpoint, telemetry, described, parameters=parameters)
    answer = scripted_answers(endpoint)

    @app.post("/invocations")
    def invocations() -> Response:
        return answer(scripted)

    return app
