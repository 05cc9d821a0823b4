"""One invocation of one model: body to rows to scores to response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import BoundedSemaphore

from flask import Response, request

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.serving.predictors import Predictor
from tabular.serving.requests import read_body, read_rows, split_header
from tabular.serving.responses import ENCODERS, Encoder, choose
from tabular.serving.selection import keys_of, select
from tabular.serving.watch import ROWS

CSV = "text/csv"
SMALL_BODY_BYTES = 1 << 16
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def answers(
    endpoint: Endpoint, encoders: Mapping[str, Encoder] = ENCODERS
) -> Callable[[Predictor], Response]:
    """Make the function that answers the request at hand with a model.

    Parameters
    ----------
    encoders : Mapping[str, Encoder]
        For each content type of ``ENCODERS``.

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
    # What a large body becomes takes ten times its size: more at a time would cost the worker.
    room = BoundedSemaphore(endpoint.large_bodies)

    def answer(predictor: Predictor) -> Response:
        body = read_body(endpoint.max_body_bytes)
        if not body:
            return Response(status=204)
        if len(body) <= SMALL_BODY_BYTES:
            return echoed(scored(predictor, body))
        room.acquire()
        try:
            response = echoed(scored(predictor, body))
        except BaseException:
            room.release()
            raise
        # The answer may be twice as large as the body: until it is sent.
        response.call_on_close(room.release)
        return response

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


def echoed(response: Response) -> Response:
    """Give the request's custom attributes back, as they came."""
    attributes = request.environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES")
    if attributes is not None:
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
