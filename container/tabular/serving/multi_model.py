"""The Flask application of a multi-model endpoint; it answers as Multi Model Server does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from flask import Flask, Response, request

import tabular
from tabular.algorithms import ALGORITHMS
from tabular.algorithms.predictor import Predictor
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import RequestError
from tabular.contract.machine import memory_left, memory_limit
from tabular.contract.strict_json import StrictJSONError, parse_json
from tabular.script_mode.inference_script import InferenceScript
from tabular.serving.answers.profiles import MULTI_MODEL
from tabular.serving.app import create_base_app
from tabular.serving.errors import (
    multi_model_error_response,
    multi_model_json,
    multi_model_response,
)
from tabular.serving.invocation import model_invoker
from tabular.serving.loading import load_predictor, loading_of
from tabular.serving.model_memory import headroom
from tabular.serving.model_store import LoadedModel, ModelStore
from tabular.serving.request_budget import budget_of
from tabular.serving.requests import read_body
from tabular.serving.scripted.invocation import script_invoker
from tabular.serving.scripted.model import ScriptedModel
from tabular.serving.scripted.multi_model import load_own_script, script_of
from tabular.serving.telemetry import Telemetry
from tabular.serving.unknown_texts import report_unknown_texts

# Served by an algorithm, or by a script.
Model: TypeAlias = Predictor | ScriptedModel

LARGEST_PAGE = 100
LONGEST_NAME_BYTES = 1024
NUMBER = re.compile(r"[0-9]{1,9}")


def open_store(
    endpoint: Endpoint,
    threads: int,
    script: InferenceScript | None = None,
    telemetry: Telemetry | None = None,
) -> ModelStore[Model]:
    """Create the store of an endpoint's models, still empty.

    Parameters
    ----------
    threads : int
        How many requests are answered at the same time.
    script : InferenceScript or None
        Serves the models that contain no script.
    telemetry : Telemetry or None
        Counts unknown texts for ``/metrics``.
    """
    # Imported now: the memory of the libraries must not count as that of the first model.
    for algorithm in ALGORITHMS:
        algorithm.predictor.preload()
    kept = headroom(memory_limit(), threads, endpoint.max_body_bytes)
    loading = loading_of(endpoint)

    def load(folder: Path) -> Model:
        own = script_of(folder, endpoint, script)
        if own is None:
            predictor = load_predictor(folder, loading)
            report_unknown_texts(predictor.columns, telemetry)
            return predictor
        return load_own_script(own, folder, endpoint, loading)

    return ModelStore(
        load,
        (endpoint.models, endpoint.model),
        lambda: memory_left() - kept,
        endpoint.timeout_seconds,
    )


def create_multi_model_app(
    endpoint: Endpoint, store: ModelStore[Model], telemetry: Telemetry | None = None
) -> Flask:
    """Create the application that serves the models of a store.

    Raises
    ------
    UserError
        The default ``Accept`` is not offered.
    """
    app = create_base_app(
        endpoint,
        telemetry,
        {"version": tabular.__version__},
        multi_model_error_response,
        ping_body=multi_model_json({"status": "Healthy"}),
    )
    app.url_map.merge_slashes = False  # /models/%2F/invoke names no model: 404, not a redirect
    budget = budget_of(endpoint.request_bytes, endpoint.workers)
    invoke_model = model_invoker(endpoint, MULTI_MODEL, budget)
    invoke_script = script_invoker(endpoint, budget)

    def answer(model: Model) -> Response:
        return invoke_script(model) if isinstance(model, ScriptedModel) else invoke_model(model)

    @app.post("/models")
    def load() -> Response:
        name, url = _name_and_url(read_body(endpoint.max_body_bytes))
        store.load(name, url)
        return multi_model_response({"status": "Workers scaled"})

    @app.get("/models")
    def listed() -> Response:
        page, following = store.page(
            _number("next_page_token", 0, least=0),
            min(_number("limit", LARGEST_PAGE, least=1), LARGEST_PAGE),
        )
        models = [{"modelName": model.name, "modelUrl": model.url} for model in page]
        token = {} if following is None else {"nextPageToken": str(following)}
        return multi_model_response({"models": models, **token})

    @app.get("/models/<name>")
    def described(name: str) -> Response:
        return multi_model_response(_description(store.find(name)))

    @app.delete("/models/<name>")
    def unload(name: str) -> Response:
        store.unload(name)
        return multi_model_response({"status": f'Model "{name}" unregistered'})

    @app.post("/models/<name>/invoke")
    def invoke(name: str) -> Response:
        return store.use(name, answer)

    @app.post("/invocations")
    def invocations() -> Response:
        raise RequestError(
            404, "A multi-model endpoint answers POST /models/<model_name>/invoke, not /invocations"
        )

    return app


def _name_and_url(body: bytes) -> tuple[str, str]:
    try:
        sent = parse_json(body)
    except StrictJSONError as error:
        raise RequestError(400, f"The body is not JSON: {error}") from error
    if not isinstance(sent, dict):
        raise RequestError(400, "The body is not a JSON object with model_name and url")
    for parameter in ("url", "model_name"):
        value = sent.get(parameter)
        if value is None or value == "":
            raise RequestError(400, f"Parameter {parameter} is required.")
        if not isinstance(value, str):
            found = "JSON" if isinstance(value, list | dict) else repr(value)[:40]
            raise RequestError(400, f"Parameter {parameter} is {found}, expected a text")
    _check_name(sent["model_name"])
    return sent["model_name"], sent["url"]


def _check_name(name: str) -> None:
    """Check that the path ``/models/<name>/invoke`` can hold a model's name.

    SageMaker sends a hash. Percent encoding takes three bytes for a byte of the name, and gunicorn
    limits the request line to 4,094 bytes.
    """
    size = len(name.encode())
    if size > LONGEST_NAME_BYTES:
        wrong = f"is {size} bytes long ({name[:40]!r}...)"
    elif name in (".", "..") or "/" in name or not name.isprintable() or name != name.strip():
        wrong = f"is {name[:200]!r}"
    else:
        return
    raise RequestError(
        400,
        f"Parameter model_name {wrong}, expected printable characters without / and without a "
        f"space at either end, not '.' or '..', and at most {LONGEST_NAME_BYTES} bytes of UTF-8",
    )


def _number(parameter: str, default: int, least: int) -> int:
    text = request.args.get(parameter, str(default))
    if NUMBER.fullmatch(text) and int(text) >= least:
        return int(text)
    raise RequestError(
        400,
        f"Parameter {parameter} is {text[:40]!r}, expected an integer of at least {least} with at "
        "most 9 digits",
    )


def _description(model: LoadedModel[Model]) -> Mapping[str, object]:
    """Describe a model as Multi Model Server does; the server's one process is its worker."""
    return {
        "modelName": model.name,
        "modelUrl": model.url,
        "runtime": "python",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 1,
        "maxBatchDelay": 100,
        "workers": [{"id": str(model.number), "status": "READY", "gpu": False}],
    }
