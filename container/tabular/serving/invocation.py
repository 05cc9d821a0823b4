"""One invocation of one model: body to rows to scores to response."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response, request

from tabular.algorithms.predictor import Predictor
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.serving.budget import (
    BYTES_PER_SCORE,
    BYTES_PER_SCORE_OF_CSV,
    FREE_BYTES,
    MemoryBudget,
    budget_of,
    is_small,
    need_of,
    too_large,
)
from tabular.serving.requests import form_of, measured, read_body, read_rows, split_header
from tabular.serving.responses import ENCODERS, Encoder, choose
from tabular.serving.selection import keys_of, select
from tabular.serving.watch import ROWS

CSV = "text/csv"
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def answers(
    endpoint: Endpoint,
    encoders: Mapping[str, Encoder] = ENCODERS,
    budget: MemoryBudget | None = None,
) -> Callable[[Predictor], Response]:
    """Make the function that answers the request at hand with a model.

    Parameters
    ----------
    encoders : Mapping[str, Encoder]
        For each content type of ``ENCODERS``.
    budget : MemoryBudget or None
        What other requests of the process share; None for one of its own.

    Raises
    ------
    UserError
        The default ``Accept`` is none that is offered.
    """
    if endpoint.default_accept not in ENCODERS:
        raise UserError(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {endpoint.default_accept!r}, expected one "
            f"of {', '.join(ENCODERS)}; correct it or unset it"
        )

    keys, batch = keys_of(endpoint.inference_output), endpoint.batch
    memory = budget or budget_of(endpoint.request_bytes, endpoint.workers)

    def answer(predictor: Predictor) -> Response:
        body = read_in_turn(endpoint.max_body_bytes, memory)
        if not body:
            return Response(status=204)
        need = _need(predictor, body)
        if need <= FREE_BYTES:
            return echoed(scored(predictor, body))
        give_back = memory.reserve(need)
        try:
            response = echoed(scored(predictor, body))
        except BaseException:
            give_back()
            raise
        # The answer is held until it is sent.
        response.call_on_close(give_back)
        return response

    def _need(predictor: Predictor, body: bytes) -> int:
        environ, columns = request.environ, predictor.columns
        form = form_of(body, environ.get("CONTENT_TYPE"))
        outputs = predictor.outputs + sum(predictor.outputs + columns.count for _ in keys)
        if is_small(body, form, columns, outputs):
            return 0
        extent = measured(body, form, columns)
        accept = environ.get("HTTP_ACCEPT", "*/*")
        is_csv = CSV in accept or (endpoint.default_accept == CSV and "*/*" in accept)
        score = BYTES_PER_SCORE_OF_CSV if is_csv and not keys else BYTES_PER_SCORE
        need = need_of(body, extent, columns, predictor.bytes_per_value, score * outputs)
        if need > memory.limit:
            raise too_large(extent, columns, need, memory.limit)
        return need

    def scored(predictor: Predictor, body: bytes) -> Response:
        environ = request.environ
        content_type = environ.get("CONTENT_TYPE")
        accepted = environ.get("HTTP_ACCEPT")
        header = b""
        if batch:
            found, body = split_header(body, content_type, predictor.columns)
            if found:
                accept = choose(accepted, endpoint.default_accept)
                if accept == CSV:
                    # A line for each line: JoinSource puts them side by side.
                    header = (",".join(keys) or "score").encode() + b"\n"
                if not body.strip():
                    return Response(header, mimetype=accept)
        rows = read_rows(body, content_type, predictor.columns)
        # After the body, as AWS does: of two faults, its own is named.
        accept = choose(accepted, endpoint.default_accept)
        environ[ROWS] = len(rows)
        result = select(keys, predictor, rows) if keys else predictor.predict(rows)
        return Response(header + encoders[accept](result, batch), mimetype=accept)

    return answer


def read_in_turn(limit: int, budget: MemoryBudget) -> bytes:
    """Read the request's body; one that is packed waits for memory for what it may unpack to."""
    packed = "HTTP_CONTENT_ENCODING" in request.environ
    give_back = budget.reserve(limit) if packed else _nothing
    try:
        return read_body(limit)
    finally:
        give_back()


def _nothing() -> None:
    """Give nothing back."""


def echoed(response: Response) -> Response:
    """Give the request's custom attributes back, as they came."""
    attributes = request.environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES")
    if attributes is not None:
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
