"""Requests to rows: the body, whole and unpacked, and the values in it."""

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
from tabular.data.columns import Columns, listed
from tabular.data.extent import Extent
from tabular.data.formats import Format, format_of, guess, has_header

# Where the body is left in the request's environ: its words are kept out of the log.
BODY = "tabular.body"
BLOCK_BYTES = 1 << 16
LONGEST_LENGTH = 15
# Enough of a body to tell its format by, when it has no content type.
LOOKED_AT_BYTES = 1 << 12
# The largest payload of batch transform.
DRAINED_BYTES = 100 * MEBIBYTE
# gzip files may follow one another; what is left is copied each time.
MOST_MEMBERS = 100
# zlib's way to say: a header and a checksum of gzip.
FORM = "application/x-www-form-urlencoded"
CURLS_OWN = (
    " curl -d sends this type by itself: add -H 'Content-Type: text/csv', and send a file with "
    "--data-binary @FILE, which keeps its line ends"
)
GZIP = 16 + zlib.MAX_WBITS
# Where a fault is, as the readers of all formats begin their messages. Nothing else of a message
# is taken: the rest may hold a value, a key or a header line of the body.
PLACE = re.compile(
    r"(?:line|row|record) [0-9]+(?: \(byte [0-9]+\))?"
    r"(?:,? (?:column|character|token|byte) [0-9]+)?"
)


def read_body(limit: int) -> bytes:
    """Read the body, of known length or in chunks, and unpack it if it is packed.

    Raises
    ------
    RequestEntityTooLarge
        The body is larger than the limit, as it came or unpacked.
    RequestError
        400: it broke off, or is not what it says. 415: packed in a way that is not known.
    """
    environ = request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    length = environ.get("CONTENT_LENGTH", "")
    # Python reads no number of more than 4,300 digits.
    if length.isdecimal() and len(length) <= LONGEST_LENGTH and int(length) <= limit:
        body = _exactly(environ["wsgi.input"], int(length))
    else:
        body = _bounded(limit)
        if length:  # too large, and broken off: the part that came is not the body
            raise RequestEntityTooLarge
    if encoding is not None:
        body = _unpacked(body, encoding, limit)
    environ[BODY] = body
    return body


def _exactly(stream: BinaryIO, length: int) -> bytes:
    try:
        body = stream.read(length)
    except Exception as error:  # the HTTP server has its own for a lost client
        raise _broken(0, error) from error
    if len(body) < length:
        said = f"The body ends after {len(body)} of {length} bytes"
        raise RequestError(400, said, said)
    return body


def _bounded(limit: int) -> bytes:
    """Read a body of unknown or too great length.

    What is beyond the limit is read too, and dropped: closing a connection with unread bytes
    resets it, and the client never sees the answer.
    """
    body = bytearray()
    size = 0
    try:
        while size <= max(limit, DRAINED_BYTES) and (block := request.stream.read(BLOCK_BYTES)):
            size += len(block)
            if size <= limit:
                body += block
    except Exception as error:  # the HTTP server has its own for a broken chunk, a lost client
        raise _broken(size, error) from error
    if size > limit:
        raise RequestEntityTooLarge
    return bytes(body)


def _broken(size: int, error: Exception) -> RequestError:
    said = f"The body can't be read beyond {size} bytes: {type(error).__name__}"
    return RequestError(400, said, said)


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise RequestError(
            415,
            f"Content-Encoding {encoding} is not supported; send gzip, or the body as it is",
            "the Content-Encoding is not supported",
        )
    whole, rest, members = bytearray(), body, 0
    try:
        while rest:
            members += 1
            if members > MOST_MEMBERS:
                said = f"The gzip body has more than {MOST_MEMBERS} members"
                raise RequestError(400, said, said)
            member = zlib.decompressobj(GZIP)
            whole += member.decompress(rest, limit + 1 - len(whole))
            if len(whole) > limit:
                raise RequestEntityTooLarge
            if not member.eof:
                said = "The gzip body breaks off before its end"
                raise RequestError(400, said, said)
            rest = member.unused_data
    except zlib.error as error:
        raise RequestError(400, f"The body is no gzip: {error}", "The body is no gzip") from error
    return bytes(whole)


def split_header(body: bytes, content_type: str | None, columns: Columns) -> tuple[bool, bytes]:
    """Part a request of batch transform from the header line that its first one begins with.

    Returns
    -------
    (bool, bytes)
        Whether there is one, by the model's names, and the body without it.

    Raises
    ------
    RequestError
        400: the line has the names in another order, and later requests will have no header.
    """
    if has_header(content_type or ""):  # each request has one
        return True, body
    try:
        if content_type and format_of(content_type).name != csv.NAME:
            return False, body
        header = csv.header_of(body, columns)
    except (UserError, ColumnsError):  # whoever reads the rows says so
        return False, body
    if header is None:
        return False, body
    if header.places is not None:
        raise RequestError(
            400,
            "The header line has the model's columns in another order, and the requests after "
            "this one have no header; put the columns in the model's order: "
            f"{listed(columns.names)}",
            "The header line has the model's columns in another order",
        )
    return True, header.rows


def _told_by_form(body: bytes) -> str:
    """Find the content type of a body that has none; AWS's containers take LIBSVM or JSON."""
    if body.lstrip()[:1] in (b"{", b"["):
        return "application/json"
    return guess(body[:LOOKED_AT_BYTES]).content_types[0]


def body_format(body: bytes, content_type: str | None) -> Format:
    """Find the format of a body.

    Raises
    ------
    RequestError
        415: the content type is not known.
    """
    try:
        return format_of(content_type or _told_by_form(body))
    except UserError as error:
        hint = CURLS_OWN if str(content_type).startswith(FORM) else ""
        raise RequestError(415, f"{error}{hint}", "the content type is not known") from error


def measure_body(body: bytes, form: Format, columns: Columns) -> Extent:
    """Estimate what a body becomes.

    Raises
    ------
    RequestError
        415: the body contradicts itself.
    """
    try:
        return form.measure(body, columns)
    except ValueError as error:
        raise _unreadable(form, error) from error


def read_rows(body: bytes, content_type: str | None, columns: Columns) -> Floats:
    """Turn a request's body into rows that fit the model.

    Raises
    ------
    RequestError
        415: unknown content type, or a body that is not what it says. 400: another number
        of columns than the model has features. 413: more rows than any request may have. The
        first words are AWS's.
    """
    form = body_format(body, content_type)
    try:
        return form.read_body(body, columns)
    except ColumnCountError as error:  # numbers alone
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
    except TooLargeError as error:  # numbers alone
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
    """Find the row and column that a reader's message begins with.

    >>> fault_place(ValueError("line 3, column 2 (age): 'x' is not a number"))
    'line 3, column 2'
    >>> fault_place(ValueError("the key 'line 3' is not known"))
    ''
    """
    found = PLACE.match(str(error))
    return found[0] if found else ""
