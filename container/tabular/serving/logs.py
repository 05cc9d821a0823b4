"""What the server writes to standard error: one line for each record, as text or as JSON."""

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
# InvokeEndpoint takes no longer ones; a client without SageMaker may send anything.
INFERENCE_ID_CHARACTERS = 64
# How gunicorn's warning of a broken request begins, and its error where the application failed.
INVALID_REQUEST = "Invalid request from ip="
HANDLED_REQUEST = "Error handling request"
# What every record has; all else was given to the call with ``extra``.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What could end a line, or steer a terminal: C0, DEL, C1, and Unicode's two separators.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029)
}


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, message, then extra fields as ``name=value``.

    A message is one line, whatever clients put into it; a traceback follows on lines of its own.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's name
        """Write the line without its traceback."""
        line = super().formatMessage(record)
        fields = (f" {name}={_value(value)}" for name, value in extras(record).items())
        return (line + "".join(fields)).translate(CONTROL)


class JsonFormatter(logging.Formatter):
    """Lines for programs: one JSON object each, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line, with the traceback as one of its fields."""
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
        # First so that they stand first, last so that no extra field takes their place.
        return json.dumps({**fields, **extras(record), **fields}, default=str)


class ServerLogger(glogging.Logger):
    """gunicorn's logger without a handler and a format of its own.

    For gunicorn's setting ``logger_class``, with ``errorlog`` None.
    """

    def setup(self, cfg: Any) -> None:
        """Hand gunicorn's records on to the root logger."""
        super().setup(cfg)
        self.error_log.setLevel(logging.NOTSET)
        self.error_log.propagate = True

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning; of a request that is no HTTP only what kind of fault it is.

        gunicorn's own words quote the request line or the header, and behind a wrong length
        these are bytes of a body.
        """
        error = sys.exc_info()[1]
        if msg.startswith(INVALID_REQUEST) and error is not None:
            msg, args = "%s: %s", (msg.partition(": ")[0], type(error).__name__)
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log an exception without its text and without the query of a request's address."""
        error = sys.exc_info()[1]
        if error is None:
            super().exception(msg, *args, **kwargs)
            return
        if msg.startswith(HANDLED_REQUEST) and args:
            args = (*args[:-1], str(args[-1]).partition("?")[0])
        super().error(msg, *args, **{**kwargs, "exc_info": without_text(error)})


FORMATTERS: dict[Format, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def configure(form: Format, level: int = logging.INFO, access_log: bool = False) -> None:
    """Set up the root logger, in place of what it had.

    Parameters
    ----------
    form : "text" or "json"
    level : int
        The least that is written.
    access_log : bool
        Write a line for each request too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[form]())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    redact_logs()
    # Asked for is asked for, also when the level leaves out what is no warning.
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
    """Write what one request was, if ``configure`` was asked to; no body, no other header.

    Parameters
    ----------
    environ : mapping
        The request's, as WSGI has it.
    bytes_in, bytes_out : int
        Of the bodies.
    seconds : float
        What it took in the server.
    model : str
        Which, where there are several.
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
    """Take the caller's id of a request, to give to any logging call as ``extra``.

    Returns
    -------
    dict
        ``inference_id``, at most 64 characters; empty when the caller sent none.
    """
    sent = str(environ.get(INFERENCE_ID, ""))[:INFERENCE_ID_CHARACTERS]
    return {"inference_id": sent} if sent else {}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Find the fields that a logging call gave with ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


def _value(value: object) -> str:
    """Quote what would look like more than one field."""
    text = str(value)
    plain = text and not any(letter.isspace() or letter in '"=' for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
