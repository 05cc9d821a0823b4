"""See each request go by: counted, and logged for those who ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from tabular.serving import logs
from tabular.serving.telemetry import Telemetry

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Where the application leaves how many rows it scored, in the request's environ.
ROWS = "tabular.rows"
INVOCATIONS, INVOKE = "/invocations", "/invoke"  # the second of a multi-model endpoint
# SageMaker asks every five seconds; nobody looks for it in a log.
UNLOGGED = "/ping"


def observed(
    application: Application, telemetry: Telemetry, access_log: bool = False
) -> Application:
    """Put a WSGI application under watch: ``app.wsgi_app = observed(app.wsgi_app, telemetry)``.

    Only invocations count: ``/ping``, ``/metrics`` and the page would blur its figures.

    Parameters
    ----------
    access_log : bool
        Log each request; ``logs.configure`` is to be asked for the same.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        # As it is when the application fails before it says anything.
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
    """Read a Content-Length; 0 for a body in chunks, which has none."""
    return int(length) if length and length.isdecimal() else 0
