"""Answers of the poll loop itself, to requests that never reach the application."""

from __future__ import annotations

from http import HTTPStatus

from tabular.serving.framing import HEAD_BYTES

MESSAGES = {
    HTTPStatus.REQUEST_TIMEOUT: (
        "The request's {part} did not come whole within {seconds:.0f} s of its first byte; send it "
        "faster"
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        f"The request's head is longer than {HEAD_BYTES} bytes; send less in its headers"
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The memory for requests is used up by bodies that come slowly; send this one again"
    ),
}


def refusal(status: int, seconds: float, part: str) -> bytes:
    """Write an answer of one line, after which the connection is closed.

    Parameters
    ----------
    seconds : float
        How long the request had to come.
    part : str
        What did not come: the head or the body.
    """
    answered = HTTPStatus(status)
    body = MESSAGES[answered].format(seconds=seconds, part=part) + "\n"
    return (
        f"HTTP/1.1 {status} {answered.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
