"""SageMaker's routes of a multi-model endpoint; the answers are those of Multi Model Server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from flask import Flask, Response, request

import tabular
from tabular.algorithms import ALGORITHMS
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import RequestError, UserError
from tabular.contract.machine import memory_left, memory_limit
from tabular.contract.redaction import redact
from tabular.contract.strict_json import StrictJSONError, parse_json
from tabular.script_mode.inference_script import CODE, InferenceScript, find_script
from tabular.script_mode.modules import PrivateModules
from tabular.script_mode.requirements import REQUIREMENTS, missing_requirements
from tabular.serving.app import bare_app
from tabular.serving.budget import budget_of
from tabular.serving.invocation import answers
from tabular.serving.loading import load_predictor, loading_of
from tabular.serving.model_memory import headroom
from tabular.serving.model_store import Loaded, Model, ModelStore
from tabular.serving.requests import read_body
from tabular.serving.responses import ENCODERS, Result, csv_body, json_body
from tabular.serving.scripted.calls import Calls, calls_of_model
from tabular.serving.scripted.invocation import check_default_accept, scripted_answers
from tabular.serving.scripted.model import ScriptedModel, load_scripted
from tabular.serving.selection import Selected
from tabular.serving.telemetry import Telemetry

# Multi Model Server's names of errors; SageMaker goes by the status.
ERRORS = {
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
FAULT = "InternalServerException"
MODEL_NOT_FOUND = "ModelNotFoundException"
LARGEST_PAGE = 100
LONGEST_NAME_BYTES = 1024
NUMBER = re.compile(r"[0-9]{1,9}")


def open_store(
    endpoint: Endpoint, threads: int, script: InferenceScript | None = None
) -> ModelStore:
    """Make the store of an endpoint's models, still empty.

    Parameters
    ----------
    threads : int
        Requests that are answered at the same time.
    script : InferenceScript or None
        Serves the models that bring none of their own.
    """
    # Now, so that what they take is no surprise when the first model is weighed.
    for algorithm in ALGORITHMS:
        algorithm.predictor.preload()
    kept = headroom(memory_limit(), threads, endpoint.max_body_bytes)
    loading = loading_of(endpoint)

    def load(folder: Path) -> Loaded:
        own = find_script(folder / CODE, endpoint.program) or script
        if own is None:
            return load_predictor(folder, loading)
        if own is not script:
            _check_requirements(own)
        # In the thread of its handlers: some objects may only be used where they were made.
        calls = calls_of_model(endpoint.script_threads)
        try:
            return calls(partial(load_script, own, folder, calls))
        except BaseException:
            calls.close()
            raise

    def load_script(own: InferenceScript, folder: Path, calls: Calls) -> ScriptedModel:
        modules = PrivateModules(own.folders)
        scripted = load_scripted(own, folder, modules, calls, loading)
        check_default_accept(endpoint, scripted)
        return scripted

    return ModelStore(
        load,
        (endpoint.models, endpoint.model),
        lambda: memory_left() - kept,
        endpoint.timeout_seconds,
    )


def create_multi_model_app(
    endpoint: Endpoint, store: ModelStore, telemetry: Telemetry | None = None
) -> Flask:
    """Make the application that serves the models of a store.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    health = _pretty({"status": "Healthy"})
    labels = {"version": tabular.__version__}
    app = bare_app(endpoint, telemetry, labels, error_response, health)
    app.url_map.merge_slashes = False  # /models/%2F/invoke names no model; it is no redirect
    encoders = {**ENCODERS, "application/json": list_body, "text/csv": comma_body}
    budget = budget_of(endpoint.request_bytes, endpoint.workers)
    of_algorithm = answers(endpoint, encoders, budget)
    of_script = scripted_answers(endpoint, budget)

    def answer(model: Loaded) -> Response:
        return of_script(model) if isinstance(model, ScriptedModel) else of_algorithm(model)

    @app.post("/models")
    def load() -> Response:
        wanted = _parameters(read_body(endpoint.max_body_bytes))
        store.load(wanted["model_name"], wanted["url"])
        return _said({"status": "Workers scaled"})

    @app.get("/models")
    def listed() -> Response:
        page, following = store.page(
            _number("next_page_token", 0, least=0),
            min(_number("limit", LARGEST_PAGE, least=1), LARGEST_PAGE),
        )
        models = [{"modelName": model.name, "modelUrl": model.url} for model in page]
        token = {} if following is None else {"nextPageToken": str(following)}
        return _said({"models": models, **token})

    @app.get("/models/<name>")
    def described(name: str) -> Response:
        return _said(_description(store.find(name)))

    @app.delete("/models/<name>")
    def unload(name: str) -> Response:
        store.unload(name)
        return _said({"status": f'Model "{name}" unregistered'})

    @app.post("/models/<name>/invoke")
    def invoke(name: str) -> Response:
        return store.use(name, answer)

    @app.post("/invocations")
    def invocations() -> Response:
        raise RequestError(
            404, "A multi-model endpoint answers POST /models/<model_name>/invoke, no /invocations"
        )

    return app


def _check_requirements(script: InferenceScript) -> None:
    lacking = missing_requirements(script.folder)
    if lacking:
        names = redact(", ".join(lacking[:10]))  # a URL may hold a token
        raise UserError(
            f"{script.folder / REQUIREMENTS} asks for {names}, which is not "
            "installed: the models of an endpoint share one Python; put it into the endpoint's own "
            "requirements.txt (SAGEMAKER_SUBMIT_DIRECTORY), or into an image made from this one"
        )


def error_response(status: int, message: str) -> Response:
    """Answer as Multi Model Server does: ``{"code", "type", "message"}``."""
    kind = ERRORS.get(status, FAULT)
    if status == 404 and request.path.startswith("/models"):
        kind = MODEL_NOT_FOUND
    return _said({"code": status, "type": kind, "message": message}, status)


def list_body(result: Result, batch: bool = False) -> bytes:
    """Write a list with an element for each row: a number, or a list for several classes."""
    if isinstance(result, Selected):
        return json_body(result, batch)
    try:
        text = json.dumps(result.tolist(), allow_nan=False)
    except ValueError:  # JSON has no NaN and no infinities
        values = result.astype(object)
        values[~np.isfinite(result)] = None
        text = json.dumps(values.tolist())
    return (text + "\n" if batch else text).encode()


def comma_body(result: Result, batch: bool = False) -> bytes:
    """Write all rows on one line, or one line a row in batch or when a row has several values."""
    lines = csv_body(result, batch)
    if batch or isinstance(result, Selected) or result.ndim > 1:
        return lines
    return lines.removesuffix(b"\n").replace(b"\n", b",")


def _parameters(body: bytes) -> dict[str, str]:
    try:
        sent = parse_json(body)
    except StrictJSONError as error:
        raise RequestError(400, f"The body is no JSON: {error}") from error
    if not isinstance(sent, dict):
        raise RequestError(400, "The body is no JSON object with model_name and url")
    for parameter in ("url", "model_name"):
        value = sent.get(parameter)
        if value is None or value == "":
            raise RequestError(400, f"Parameter {parameter} is required.")
        if not isinstance(value, str):
            found = "JSON" if isinstance(value, list | dict) else repr(value)[:40]
            raise RequestError(400, f"Parameter {parameter} is {found}, expected a text")
    _check_name(sent["model_name"])
    return sent


def _check_name(name: str) -> None:
    """Refuse a name that no path of this server could hold.

    SageMaker sends a hash. Any name is taken that ``/models/<name>/invoke`` can hold, in percent
    encoding too: three bytes for each of the name's, within gunicorn's 4,094 for a request line.
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
        f"Parameter model_name {wrong}, expected no /, printable characters, no space at either "
        f"end, neither . nor .., and at most {LONGEST_NAME_BYTES} bytes of UTF-8",
    )


def _number(parameter: str, default: int, least: int) -> int:
    text = request.args.get(parameter, str(default))
    if NUMBER.fullmatch(text) and int(text) >= least:
        return int(text)
    raise RequestError(
        400,
        f"Parameter {parameter} is {text[:40]!r}, expected a whole number from {least} on of at "
        "most 9 digits",
    )


def _description(model: Model) -> Mapping[str, object]:
    """Describe a model as Multi Model Server does; the one process is its worker."""
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


def _said(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(_pretty(value), status, mimetype="application/json")


def _pretty(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=2) + "\n"
