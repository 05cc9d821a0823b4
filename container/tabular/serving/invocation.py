"""One invocation of one model: request body to rows, rows to scores, scores to response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flask import Response, request

from tabular.algorithms.predictor import Predictor
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import RequestError
from tabular.serving.answers.accept import output_of
from tabular.serving.answers.profiles import XGBOOST, Profile
from tabular.serving.answers.types import CSV, OBJECTS, Answers
from tabular.serving.answers.values import Result
from tabular.serving.middleware import ROWS
from tabular.serving.request_budget import (
    BYTES_PER_SCORE,
    BYTES_PER_SCORE_OF_CSV,
    UNCOUNTED_BYTES,
    RequestBudget,
    budget_of,
    estimate_request,
    is_small,
    too_large,
)
from tabular.serving.requests import (
    body_format,
    measure_body,
    read_body,
    read_rows,
    split_header,
)
from tabular.serving.selection import (
    SCORE,
    Selection,
    default_keys,
    keys_of,
    requested,
    select,
    values_per_row,
)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
ATTRIBUTES_IN_ENVIRON = "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"


@dataclass(frozen=True)
class Wanted:
    """The answer that a request asks for.

    Attributes
    ----------
    content_type : str
        The default one if the request accepts none of the offered types.
    selection : Selection
        The keys.
    refused : RequestError or None
        The request accepts none of the offered types. If the body is wrong too, AWS's container
        reports the body.
    """

    content_type: str
    selection: Selection
    refused: RequestError | None = None


def model_invoker(
    endpoint: Endpoint, profile: Profile = XGBOOST, budget: RequestBudget | None = None
) -> Callable[[Predictor], Response]:
    """Return the function that answers the current request with a model.

    Parameters
    ----------
    profile : Profile
        The AWS server whose answers this server writes, byte for byte.
    budget : RequestBudget or None
        Shared by the requests of the process; None creates a budget.

    Raises
    ------
    UserError
        The default ``Accept`` is not offered.
    """
    batch = endpoint.batch
    answers = Answers(replace(profile, batch=batch), endpoint.default_accept)
    answers.require_default()
    configured = keys_of(endpoint.inference_output)
    memory = budget or budget_of(endpoint.request_bytes, endpoint.workers)

    def invoke(predictor: Predictor) -> Response:
        body = read_within_budget(endpoint.max_body_bytes, memory)
        if not body:
            return Response(status=204)
        wanted = wanted_by(request.environ, predictor)
        size = estimated_bytes(predictor, body, wanted)
        return respond_within_budget(
            memory, size, lambda: with_custom_attributes(respond(predictor, body, wanted))
        )

    def wanted_by(environ: Mapping[str, str], predictor: Predictor) -> Wanted:
        accept = environ.get("HTTP_ACCEPT")
        try:
            content_type, refused = answers.choose(accept), None
        except RequestError as error:
            content_type, refused = answers.default, error
        selection = requested(
            output_of(accept, content_type), environ.get(ATTRIBUTES_IN_ENVIRON, "")
        )
        if selection is None:
            keys = configured
            if not keys and content_type in OBJECTS:
                keys = default_keys(predictor.meaning)
            selection = Selection(() if keys == SCORE else keys)
        return Wanted(content_type, selection, refused)

    def estimated_bytes(predictor: Predictor, body: bytes, wanted: Wanted) -> int:
        columns, keys = predictor.columns, wanted.selection.keys
        form = body_format(body, request.environ.get("CONTENT_TYPE"))
        outputs = predictor.outputs + values_per_row(keys, predictor)
        if is_small(body, form, columns, outputs):
            return 0
        extent = measure_body(body, form, columns)
        is_csv = wanted.content_type == CSV
        score = BYTES_PER_SCORE_OF_CSV if is_csv and not keys else BYTES_PER_SCORE
        size = estimate_request(body, extent, columns, predictor.bytes_per_value, score * outputs)
        if size > memory.limit:
            raise too_large(extent, columns, size, memory.limit)
        return size

    def respond(predictor: Predictor, body: bytes, wanted: Wanted) -> Response:
        environ = request.environ
        content_type, answer_type = environ.get("CONTENT_TYPE"), wanted.content_type
        keys, refused = wanted.selection.keys, wanted.refused
        header = b""
        if batch:
            found, body = split_header(body, content_type, predictor.columns)
            if found:
                if refused is not None:
                    raise refused
                if answer_type == CSV:
                    # JoinSource joins input and output line by line, so the header needs a line.
                    header = (",".join(keys) or "score").encode() + b"\n"
                if not body.strip():
                    return Response(header, mimetype=answer_type)
        rows = read_rows(body, content_type, predictor.columns)
        if refused is not None:
            raise refused
        environ[ROWS] = len(rows)
        result: Result
        if keys:
            result = select(keys, predictor, rows, wanted.selection.by_client)
        else:
            result = predictor.predict(rows)
        return Response(header + answers.write(answer_type, result), mimetype=answer_type)

    return invoke


def read_within_budget(limit: int, budget: RequestBudget) -> bytes:
    """Read the request's body; reserve memory for the largest size of a compressed body first."""
    compressed = "HTTP_CONTENT_ENCODING" in request.environ
    if not compressed:
        return read_body(limit)
    release = budget.reserve(limit)
    try:
        return read_body(limit)
    finally:
        release()


def respond_within_budget(
    budget: RequestBudget, size: int, respond: Callable[[], Response]
) -> Response:
    """Call a function that makes a response; a large one reserves memory until it is sent.

    Parameters
    ----------
    size : int
        The estimate of what the request takes, in bytes.
    """
    if size <= UNCOUNTED_BYTES:
        return respond()
    release = budget.reserve(size)
    try:
        response = respond()
    except BaseException:
        release()
        raise
    response.call_on_close(release)
    return response


def with_custom_attributes(response: Response) -> Response:
    """Return the request's ``CustomAttributes`` header unchanged with the response."""
    attributes = request.environ.get(ATTRIBUTES_IN_ENVIRON)
    if attributes is not None:
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
