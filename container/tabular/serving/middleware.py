"""WSGI middleware: count each invocation, and write the access log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from tabular.serving import logs
from tabular.serving.telemetry import Telemetry

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# The key of the number of scored rows in the request's environ; the application sets it.
ROWS = "tabular.rows"
# The path of invocations, and the end of it on a multi-model endpoint.
INVOCATIONS, INVOKE = "/invocations", "/invoke"
# SageMaker pings every five seconds.
UNLOGGED = "/ping"


def observed(
    application: Application, telemetry: Telemetry, access_log: bool = False
) -> Application:
    """Wrap a WSGI application: ``app.wsgi_app = observed(app.wsgi_app, telemetry)``.

    Only invocations are counted: ``/ping``, ``/metrics`` and the page would distort the durations.

    Parameters
    ----------
    access_log : bool
        Log each request, if ``logs.configure`` was called with ``access_log`` too.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        # This status is logged if the application fails before it starts a response.
        started: tuple[str, list[tuple[str, str]]] = ("500", [])

        def starting(status: str, headers: list[tuple[str, str]], *failed: Any) -> Any:
            nonlocal started
            started = (status, headers)
            return start_response(status, headers, *failed)

        try:
            return application(environ, starting)
        finally:
            seconds = time.perf_counter() - begun
            status, rows = int(started[0][:3]), environ.get(ROWS, 0)
            path = environ["PATH_INFO"]
            if path == INVOCATIONS or path.endswith(INVOKE):
                telemetry.observe(status, rows, seconds)
            if access_log and path != UNLOGGED:
                sizes = (_size(environ.get("CONTENT_LENGTH")), _size(_length(started[1])))
                logs.access_line(environ, status, *sizes, rows, seconds)

    return answer


def _length(headers: list[tuple[str, str]]) -> str | None:
    return next((value for name, value in headers if name.lower() == "content-length"), None)


def _size(length: str | None) -> int:
    """Read a Content-Length; a body in chunks has none and counts as 0."""
    return int(length) if length and length.isdecimal() else 0
