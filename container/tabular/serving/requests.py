"""Read requests: the body, decompressed, and the rows in it."""

from __future__ import annotations

import re
import zlib
from typing import BinaryIO

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from tabular.contract.errors import RequestError, UserError
from tabular.contract.machine import MEBIBYTE
from tabular.data import csv
from tabular.data.batch import ColumnCountError, ColumnsError, Floats, TooLargeError
from tabular.data.columns import Columns
from tabular.data.extent import Extent
from tabular.data.formats import Format, format_of, guess, has_header
from tabular.data.quoting import listed

# The key of the body in the request's environ: log messages must not show words of the body.
BODY = "tabular.body"
BLOCK_BYTES = 1 << 16
# Digits of a Content-Length; Python's int() refuses more than 4,300 digits.
LONGEST_LENGTH = 15
# A body without a content type: its format is guessed from this many bytes.
GUESSED_FROM_BYTES = 1 << 12
# The largest payload of batch transform.
DRAINED_BYTES = 100 * MEBIBYTE
# A gzip body may have several members; the rest of the body is copied for each of them.
MOST_MEMBERS = 100
FORM = "application/x-www-form-urlencoded"
CURL_HINT = (
    " curl -d sends this type by itself: add -H 'Content-Type: text/csv', and send a file with "
    "--data-binary @FILE, which keeps its line ends"
)
# zlib's ``wbits`` for a body with gzip's header and checksum.
GZIP = 16 + zlib.MAX_WBITS
# The position at which a body is faulty: the readers of all formats begin their messages with it.
# Only the position is logged: the rest of a message may contain a value, a key or a header line.
PLACE = re.compile(
    r"(?:line|row|record) [0-9]+(?: \(byte [0-9]+\))?"
    r"(?:,? (?:column|character|token|byte) [0-9]+)?"
)


def read_body(limit: int) -> bytes:
    """Read the request's body, of known length or in chunks, and decompress it.

    Parameters
    ----------
    limit : int
        Bytes that the body may have, as sent and decompressed.

    Raises
    ------
    RequestEntityTooLarge
        The body is larger than the limit.
    RequestError
        400: the body is incomplete, or not gzip. 415: the ``Content-Encoding`` is not supported.
    """
    environ = request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal() and len(length) <= LONGEST_LENGTH and int(length) <= limit:
        body = _exactly(environ["wsgi.input"], int(length))
    else:
        body = _bounded(limit)
        if length:  # longer than the limit, and incomplete: the bytes read are not the body
            raise RequestEntityTooLarge
    if encoding is not None:
        body = _decompressed(body, encoding, limit)
    environ[BODY] = body
    return body


def _exactly(stream: BinaryIO, length: int) -> bytes:
    try:
        body = stream.read(length)
    except Exception as error:  # gunicorn has its own exceptions for a lost client
        raise _broken(0, error) from error
    if len(body) < length:
        message = f"The body ends after {len(body)} of {length} bytes"
        raise RequestError(400, message, message)
    return body


def _bounded(limit: int) -> bytes:
    """Read a body of unknown length, or of one above the limit.

    Bytes beyond the limit are read and dropped: closing a connection that has unread bytes resets
    the connection, and the client never gets the response.
    """
    body = bytearray()
    size = 0
    try:
        while size <= max(limit, DRAINED_BYTES) and (block := request.stream.read(BLOCK_BYTES)):
            size += len(block)
            if size <= limit:
                body += block
    except Exception as error:  # gunicorn's own, for a broken chunk or a lost client
        raise _broken(size, error) from error
    if size > limit:
        raise RequestEntityTooLarge
    return bytes(body)


def _broken(size: int, error: Exception) -> RequestError:
    message = f"The body can't be read beyond {size} bytes: {type(error).__name__}"
    return RequestError(400, message, message)


def _decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise RequestError(
            415,
            f"Content-Encoding {encoding} is not supported; send gzip, or no compression",
            "the Content-Encoding is not supported",
        )
    whole, rest, members = bytearray(), body, 0
    try:
        while rest:
            members += 1
            if members > MOST_MEMBERS:
                message = f"The gzip body has more than {MOST_MEMBERS} members"
                raise RequestError(400, message, message)
            member = zlib.decompressobj(GZIP)
            whole += member.decompress(rest, limit + 1 - len(whole))
            if len(whole) > limit:
                raise RequestEntityTooLarge
            if not member.eof:
                message = "The gzip body breaks off before its end"
                raise RequestError(400, message, message)
            rest = member.unused_data
    except zlib.error as error:
        raise RequestError(400, f"The body is not gzip: {error}", "The body is not gzip") from error
    return bytes(whole)


def split_header(body: bytes, content_type: str | None, columns: Columns) -> tuple[bool, bytes]:
    """Split the header line from a request of batch transform.

    Batch transform splits a file into requests, of which only the first has the header line. A
    line is a header if it holds the model's column names.

    Returns
    -------
    found : bool
        Whether the body has a header line.
    rest : bytes
        The body without the header line. The header line stays where the body has more columns
        than the model: they are read by name.

    Raises
    ------
    RequestError
        400: the names are in another order than the model's: the requests that follow have no
        header, so their columns would be read in the wrong order. With more columns than the
        model's, the number of columns gives such requests away.
    """
    if has_header(content_type or ""):  # the content type says that each request has one
        return True, body
    try:
        if content_type and format_of(content_type).name != csv.NAME:
            return False, body
        header = csv.header_of(body, columns)
    except (UserError, ColumnsError):  # read_rows reports the error
        return False, body
    if header is None:
        return False, body
    if header.columns.count > columns.count:
        return True, body if header.rows.strip() else b""
    if header.places is not None:
        raise RequestError(
            400,
            "The header line has the model's columns in another order, and the requests after "
            "this one have no header; put the columns in the model's order: "
            f"{listed(columns.names)}",
            "The header line has the model's columns in another order",
        )
    return True, header.rows


def _guessed_type(body: bytes) -> str:
    """Guess the content type of a body without one; AWS's containers assume LIBSVM or JSON."""
    if body.lstrip()[:1] in (b"{", b"["):
        return "application/json"
    return guess(body[:GUESSED_FROM_BYTES]).content_types[0]


def body_format(body: bytes, content_type: str | None) -> Format:
    """Return the format of a body, by its content type or else by its first bytes.

    Raises
    ------
    RequestError
        415: the content type is unknown.
    """
    try:
        return format_of(content_type or _guessed_type(body))
    except UserError as error:
        hint = CURL_HINT if str(content_type).startswith(FORM) else ""
        raise RequestError(415, f"{error}{hint}", "the content type is not known") from error


def measure_body(body: bytes, form: Format, columns: Columns) -> Extent:
    """Estimate the rows of a body, and the memory to read them.

    Raises
    ------
    RequestError
        415: the body is not in its format.
    """
    try:
        return form.measure(body, columns)
    except ValueError as error:
        raise _unreadable(form, error) from error


def read_rows(body: bytes, content_type: str | None, columns: Columns) -> Floats:
    """Read the rows of a body and check that they fit the model.

    Returns
    -------
    float32 array, (rows, columns.features.count)
        NaN where a value is missing.

    Raises
    ------
    RequestError
        415: unknown content type, or a body that is not in its format. 400: other columns than
        the model's. 413: more rows than a request may have. The messages begin with AWS's words.
    """
    form = body_format(body, content_type)
    try:
        return columns.features_of(form.read_body(body, columns))
    except ColumnCountError as error:  # the message contains no value of the body
        one_more = form.name == "csv" and error.found == error.expected + 1
        hint = " (is the label among them?)" if one_more else ""
        raise RequestError(
            400,
            f"Unable to evaluate payload provided: Feature size of {form.name} inference data "
            f"{error.found} is not consistent with feature size of trained model "
            f"{error.expected}: {error}{hint}.",
            f"Unable to evaluate payload provided: {error}",
        ) from error
    except ColumnsError as error:
        raise RequestError(
            400,
            f"Unable to evaluate payload provided: {error}.",
            f"Unable to evaluate payload provided: {_at(error)}other columns than the model's",
        ) from error
    except TooLargeError as error:  # the message contains no value of the body
        raise RequestError(413, f"The body is too large: {error}", str(error)) from error
    except ValueError as error:
        raise _unreadable(form, error) from error


def _unreadable(form: Format, error: ValueError) -> RequestError:
    return RequestError(
        415,
        f"Loading {form.name} data failed with Exception, please ensure data is in "
        f"{form.name} format: {error}",
        f"Loading {form.name} data failed: {_at(error)}it can't be read",
    )


def _at(error: ValueError) -> str:
    place = fault_place(error)
    return f"{place}: " if place else ""


def fault_place(error: BaseException) -> str:
    """Return the row and column that a reader's message begins with, or an empty text.

    >>> fault_place(ValueError("line 3, column 2 (age): 'x' is not a number"))
    'line 3, column 2'
    >>> fault_place(ValueError("unknown key 'line 3'"))
    ''
    """
    found = PLACE.match(str(error))
    return found[0] if found else ""
