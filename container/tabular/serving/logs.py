"""The server's log on standard error: one line for each record, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from gunicorn import glogging

from tabular.contract.redaction import redact_logs
from tabular.serving.redacted_exceptions import without_text

Format = Literal["text", "json"]

access = logging.getLogger("tabular.access")
ACCESS_LEVEL = logging.INFO

INFERENCE_ID = "HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID"
# The limit of InvokeEndpoint; a client that calls the container itself may send more.
INFERENCE_ID_CHARACTERS = 64
# The first words of gunicorn's warning of an invalid request, and of its error for an exception.
INVALID_REQUEST = "Invalid request from ip="
HANDLED_REQUEST = "Error handling request"
# Attributes of every log record; others were passed with ``extra``.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Characters that end a line or control a terminal: C0, DEL, C1, and Unicode's line separators.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029)
}


class TextFormatter(logging.Formatter):
    """Formats records as text: time, level, message, then extra fields as ``name=value``.

    A message is one line, whatever a client sends; the lines of a traceback follow.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's name
        """Return the line without its traceback."""
        line = super().formatMessage(record)
        fields = (f" {name}={_value(value)}" for name, value in extras(record).items())
        return (line + "".join(fields)).translate(CONTROL)


class JsonFormatter(logging.Formatter):
    """Formats records as JSON: one object in ASCII on each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback as one of its fields."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        # ``fields`` come first to set the order, and again last to replace extras of the same
        # names.
        return json.dumps({**fields, **extras(record), **fields}, default=str)


class ServerLogger(glogging.Logger):
    """gunicorn's logger without gunicorn's handlers and format.

    For gunicorn's setting ``logger_class``, with ``errorlog`` None.
    """

    def setup(self, cfg: Any) -> None:
        """Let gunicorn's records propagate to the root logger."""
        super().setup(cfg)
        self.error_log.setLevel(logging.NOTSET)
        self.error_log.propagate = True

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning; for an invalid request, log only the type of the exception.

        gunicorn's message quotes the request line or a header, which may be bytes of a body if
        the length before it was wrong.
        """
        error = sys.exc_info()[1]
        if msg.startswith(INVALID_REQUEST) and error is not None:
            msg, args = "%s: %s", (msg.partition(": ")[0], type(error).__name__)
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log an exception without its message and without the query of the request's URL."""
        error = sys.exc_info()[1]
        if error is None:
            super().exception(msg, *args, **kwargs)
            return
        if msg.startswith(HANDLED_REQUEST) and args:
            args = (*args[:-1], str(args[-1]).partition("?")[0])
        super().error(msg, *args, **{**kwargs, "exc_info": without_text(error)})


FORMATTERS: dict[Format, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def configure(form: Format, level: int = logging.INFO, access_log: bool = False) -> None:
    """Configure the root logger; handlers that it has are removed.

    Parameters
    ----------
    form : "text" or "json"
    level : int
        The lowest level that is logged.
    access_log : bool
        Log each request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[form]())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    redact_logs()
    # Logged even if ``level`` is above INFO.
    access.setLevel(ACCESS_LEVEL if access_log else logging.CRITICAL + 1)


def access_line(
    environ: Mapping[str, Any],
    status: int,
    bytes_in: int,
    bytes_out: int,
    rows: int,
    seconds: float,
    model: str = "",
) -> None:
    """Log one request, if ``configure`` was called with ``access_log``.

    Parameters
    ----------
    environ : mapping
        The WSGI environ of the request.
    bytes_in, bytes_out : int
        Sizes of the bodies.
    seconds : float
        The time that the application took.
    model : str
        The model's name, where there are several.
    """
    if not access.isEnabledFor(ACCESS_LEVEL):
        return
    fields: dict[str, object] = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "status": status,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "rows": rows,
        "milliseconds": round(seconds * 1000, 3),
        **inference_id(environ),
    }
    if model:
        fields["model"] = model
    access.log(ACCESS_LEVEL, "request", extra=fields)


def inference_id(environ: Mapping[str, Any]) -> dict[str, object]:
    """Return the request's ``InferenceId`` as ``extra`` of a logging call.

    Returns
    -------
    dict
        ``inference_id``, at most 64 characters; empty if the request has none.
    """
    sent = str(environ.get(INFERENCE_ID, ""))[:INFERENCE_ID_CHARACTERS]
    return {"inference_id": sent} if sent else {}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that were passed with ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


def _value(value: object) -> str:
    """Quote a value that would look like several fields."""
    text = str(value)
    plain = text and not any(letter.isspace() or letter in '"=' for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
