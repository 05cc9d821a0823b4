"""One invocation of one model: request body to rows, rows to scores, scores to response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Response, request

from tabular.algorithms.predictor import Predictor
from tabular.contract.endpoint import Endpoint
from tabular.serving.answers.profiles import XGBOOST, Profile
from tabular.serving.answers.types import CSV, Answers
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
from tabular.serving.selection import keys_of, select

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


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
    keys = keys_of(endpoint.inference_output)
    memory = budget or budget_of(endpoint.request_bytes, endpoint.workers)

    def invoke(predictor: Predictor) -> Response:
        body = read_within_budget(endpoint.max_body_bytes, memory)
        if not body:
            return Response(status=204)
        size = estimated_bytes(predictor, body)
        return respond_within_budget(
            memory, size, lambda: with_custom_attributes(respond(predictor, body))
        )

    def estimated_bytes(predictor: Predictor, body: bytes) -> int:
        environ, columns = request.environ, predictor.columns
        form = body_format(body, environ.get("CONTENT_TYPE"))
        outputs = predictor.outputs + sum(predictor.outputs + columns.count for _ in keys)
        if is_small(body, form, columns, outputs):
            return 0
        extent = measure_body(body, form, columns)
        accept = environ.get("HTTP_ACCEPT", "*/*")
        is_csv = CSV in accept or (endpoint.default_accept == CSV and "*/*" in accept)
        score = BYTES_PER_SCORE_OF_CSV if is_csv and not keys else BYTES_PER_SCORE
        size = estimate_request(body, extent, columns, predictor.bytes_per_value, score * outputs)
        if size > memory.limit:
            raise too_large(extent, columns, size, memory.limit)
        return size

    def respond(predictor: Predictor, body: bytes) -> Response:
        environ = request.environ
        content_type, accept = environ.get("CONTENT_TYPE"), environ.get("HTTP_ACCEPT")
        header = b""
        if batch:
            found, body = split_header(body, content_type, predictor.columns)
            if found:
                answer_type = answers.choose(accept)
                if answer_type == CSV:
                    # JoinSource joins input and output line by line, so the header needs a line.
                    header = (",".join(keys) or "score").encode() + b"\n"
                if not body.strip():
                    return Response(header, mimetype=answer_type)
        rows = read_rows(body, content_type, predictor.columns)
        # ``Accept`` is checked after the body: if both are wrong, AWS's container reports the body.
        answer_type = answers.choose(accept)
        environ[ROWS] = len(rows)
        result = select(keys, predictor, rows) if keys else predictor.predict(rows)
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
    attributes = request.environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES")
    if attributes is not None:
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
