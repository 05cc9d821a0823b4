"""One invocation of a model by its script's handlers; missing handlers have defaults."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import RequestError
from tabular.data import libsvm
from tabular.data.charset import utf_8_of
from tabular.data.formats import charset_of
from tabular.script_mode.script_errors import (
    customer_traceback,
    describe_exception,
    exception_text,
)
from tabular.serving import logs
from tabular.serving.answers.json import write_json
from tabular.serving.answers.profiles import SCRIPT
from tabular.serving.answers.types import CSV, JSON, Answers
from tabular.serving.invocation import (
    read_within_budget,
    respond_within_budget,
    with_custom_attributes,
)
from tabular.serving.middleware import ROWS
from tabular.serving.redacted_exceptions import without_body_words
from tabular.serving.request_budget import (
    BYTES_PER_SCORE,
    BYTES_PER_SCORE_OF_CSV,
    UNCOUNTED_BYTES,
    RequestBudget,
    budget_of,
    too_large,
)
from tabular.serving.requests import BODY
from tabular.serving.scripted.calls import CallsStoppedError, CallTimeoutError
from tabular.serving.scripted.model import ScriptedModel
from tabular.serving.scripted.request_memory import estimate_script_request
from tabular.serving.scripted.results import completed, response_of

log = logging.getLogger(__name__)

# As in AWS's toolkits: handlers get bodies of these types as text, and a body without a type is
# JSON.
TEXTS = frozenset((JSON, CSV))
DEFAULT_CONTENT_TYPE = JSON


def script_invoker(
    endpoint: Endpoint, budget: RequestBudget | None = None
) -> Callable[[ScriptedModel], Response]:
    """Return the function that answers the current request with a script.

    Parameters
    ----------
    budget : RequestBudget or None
        Shared by the requests of the process; None creates a budget.
    """
    memory = budget or budget_of(endpoint.request_bytes, endpoint.workers)
    answers = Answers(SCRIPT, endpoint.script_accept)

    def invoke(scripted: ScriptedModel) -> Response:
        handlers = scripted.handlers
        body = read_within_budget(endpoint.max_body_bytes, memory)
        reads_itself = bool(handlers.input_fn or handlers.transform_fn)
        if not body and not reads_itself:
            return Response(status=204)
        size = 0 if reads_itself else estimated_bytes(scripted, body)
        # All handlers of a request run in one call: no handler of another request runs between.
        return respond_within_budget(
            memory,
            size,
            lambda: with_custom_attributes(_run(scripted, lambda: respond(scripted, body))),
        )

    def estimated_bytes(scripted: ScriptedModel, body: bytes) -> int:
        score = BYTES_PER_SCORE_OF_CSV if CSV in accepted() else BYTES_PER_SCORE
        found = estimate_script_request(body, _content_type(), scripted.defaults.input, score)
        if found.size > max(memory.limit, UNCOUNTED_BYTES):
            raise too_large(found.extent, found.columns, found.size, memory.limit)
        return found.size

    def accepted() -> str:
        accept: str = request.environ.get("HTTP_ACCEPT", "")
        return endpoint.script_accept if accept in ("", "*/*") else accept

    def respond(scripted: ScriptedModel, body: bytes) -> Response:
        environ, handlers = request.environ, scripted.handlers
        content_type, accept = _content_type(), accepted()
        environ[ROWS] = 1
        if handlers.transform_fn:
            data = _input_data(body, content_type)
            result = _call(scripted, "transform_fn", scripted.model, data, content_type, accept)
            return response_of("transform_fn", result, accept)
        prediction = _prediction(scripted, body, content_type)
        environ[ROWS] = _rows(prediction)
        if handlers.output_fn:
            result = _call(scripted, "output_fn", prediction, accept)
            return response_of("output_fn", result, accept)
        answer_type = answers.choose(accept)
        written = _guarded(scripted, "output_fn", answers.write, answer_type, prediction)
        return Response(written, mimetype=answer_type)

    return invoke


def _content_type() -> str:
    """Return the request's content type; AWS's toolkits also read the header ``ContentType``."""
    environ = request.environ
    return environ.get("CONTENT_TYPE") or environ.get("HTTP_CONTENTTYPE") or DEFAULT_CONTENT_TYPE


def check_default_accept(endpoint: Endpoint, scripted: ScriptedModel) -> None:
    """Check the default ``Accept`` where the script has no ``output_fn``.

    Raises
    ------
    UserError
        The default ``Accept`` is not offered.
    """
    handlers = scripted.handlers
    if not handlers.output_fn and not handlers.transform_fn:
        hint = " where the script has no output_fn"
        Answers(SCRIPT, endpoint.script_accept).require_default(hint)


def script_parameters(scripted: ScriptedModel) -> Callable[[], Response] | None:
    """Return the function that answers ``/execution-parameters``, if the script has one."""
    if scripted.handlers.execution_parameters_fn is None:
        return None

    def answer() -> Response:
        name = "execution_parameters_fn"
        result = _call(scripted, name)
        if isinstance(result, dict | list):
            result = _guarded(scripted, name, write_json, result, SCRIPT)
        return response_of(name, result, DEFAULT_CONTENT_TYPE)

    return lambda: _run(scripted, answer)


def _run(scripted: ScriptedModel, function: Callable[[], Response]) -> Response:
    try:
        return scripted.calls(function)
    except CallsStoppedError as error:
        raise RequestError(503, f"The request was not answered: {error}") from error
    except CallTimeoutError as error:
        message = (
            "The script's handlers ran for longer than SAGEMAKER_MODEL_SERVER_TIMEOUT; their "
            "process starts again"
        )
        raise RequestError(504, message, message) from error


def _prediction(scripted: ScriptedModel, body: bytes, content_type: str) -> Any:
    handlers, defaults = scripted.handlers, scripted.defaults
    if handlers.input_fn:
        data = _call(scripted, "input_fn", _input_data(body, content_type), content_type)
    else:
        data = defaults.read(body, content_type)
    if handlers.predict_fn:
        return _call(scripted, "predict_fn", data, scripted.model)
    assert defaults.predict is not None  # noqa: S101 load_scripted has checked
    predict = defaults.predict if handlers.input_fn else _checking_rows(defaults.predict)
    return _guarded(scripted, "predict_fn", predict, data)


def _checking_rows(predict: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Answer 400 if a model refuses the rows that the default ``input_fn`` read."""

    def predicted(rows: Any) -> Any:
        try:
            return predict(rows)
        except (ValueError, TypeError) as error:  # XGBoost's error is a ValueError too
            first = str(error).strip().partition("\n")[0]
            raise RequestError(400, f"Unable to evaluate payload provided: {first}") from error

    return predicted


def _input_data(body: bytes, content_type: str) -> str | bytes:
    """Decode JSON and CSV, as AWS's toolkits do, and also if the type has parameters."""
    if content_type not in TEXTS:
        if content_type.partition(";")[0].strip().lower() not in TEXTS:
            return body
        try:
            body = utf_8_of(body, charset_of(content_type))
        except ValueError as error:
            raise RequestError(400, f"The body can't be read: {error}") from error
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            400, f"The body can't be read: byte {error.start + 1} is not UTF-8"
        ) from error


def _call(scripted: ScriptedModel, name: str, *arguments: Any) -> Any:
    handler = getattr(scripted.handlers, name)
    if name in ("output_fn", "transform_fn"):
        handler = completed(name, handler)
    return _guarded(scripted, name, handler, *arguments)


def _guarded(
    scripted: ScriptedModel, name: str, function: Callable[..., Any], *arguments: Any
) -> Any:
    """Call a handler. Exceptions with a status become responses; others are the script's faults."""
    try:
        columns = scripted.defaults.input.columns
        with scripted.modules.running(), libsvm.model_columns(columns):
            result = function(*arguments)
            if scripted.calls.exclusive and isinstance(result, AnyResponse):
                _complete(result)
            return result
    except RequestError:
        raise
    except HTTPException as error:
        if error.response is not None:
            raise
        raise RequestError(error.code or 500, error.description or error.name) from error
    except BaseException as error:  # SystemExit and asyncio.CancelledError too
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and 400 <= status < 600:
            message = getattr(error, "message", None)
            message = message if isinstance(message, str) and message else exception_text(error)
            raise RequestError(status, message or type(error).__name__) from error
        folder = scripted.script.folder
        traceback = customer_traceback(error, folder)
        masked = without_body_words(error, request.environ.get(BODY, b""), traceback)
        log.error(
            "%s failed: %s",
            name,
            describe_exception(masked[1], folder),
            exc_info=masked,
            extra=logs.inference_id(request.environ),
        )
        raise RequestError(
            500, f"{name} raised {type(error).__name__}; the server's log has the traceback"
        ) from error


def _complete(response: AnyResponse) -> None:
    """Run the generator of a response to its end, because the generator is code of the script."""
    if response.is_streamed and not response.direct_passthrough:
        response.make_sequence()


def _rows(prediction: Any) -> int:
    """Count the rows of a prediction; an object without a length counts as one row."""
    if isinstance(prediction, str | bytes | dict):
        return 1
    try:
        return len(prediction)
    except Exception:  # an object of the script's own class
        return 1
