"""The table of data formats. To add a format, write its module and add a row to ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.message import Message
from functools import lru_cache, partial
from typing import TypeAlias

from tabular.contract.errors import UserError
from tabular.data import csv, extent, json, libsvm, npy, parquet, recordio
from tabular.data.batch import Batch, Floats
from tabular.data.charset import CODECS, utf_8_of
from tabular.data.columns import Columns, coded
from tabular.data.layout import Layout
from tabular.data.source import Source

ReadBody: TypeAlias = Callable[[bytes, Columns], Floats]
Measure: TypeAlias = Callable[[bytes, Columns], extent.Extent]


@dataclass(frozen=True)
class Format:
    """One format of training files and requests.

    Attributes
    ----------
    read_file : (source, layout, threads) -> batches, or None
        Reads a training file; raises UserError. None for formats of requests only.
    read_body : (bytes, columns) -> float32 array, (rows, columns)
        Reads a request with the model's columns; raises ColumnsError, and ValueError for a body
        that can't be read.
    measure : (bytes, columns) -> Extent
        Estimates rows and memory of a body before it is read; raises ValueError when the body
        contradicts itself.
    aws_name : str
        The format's name in the messages of AWS's container.
    pipe : bool
        Whether Pipe mode is possible.
    unwrapped : bool
        Whether the RecordIO frames of ``RecordWrapperType`` must be removed. False for
        RecordIO-protobuf, which has the same frames itself.
    text : bool
        Whether the content type may have a ``charset``.
    has_text : bool
        Whether values may be text.
    """

    name: str
    content_types: tuple[str, ...]
    read_file: Callable[[Source, Layout, int], Iterator[Batch]] | None
    read_body: ReadBody
    measure: Measure
    aws_name: str
    pipe: bool = True
    unwrapped: bool = True
    text: bool = False
    has_text: bool = False


def _libsvm_body(body: bytes, columns: Columns) -> Floats:
    return coded(libsvm.read_body(body, columns.count, columns.base), columns)


def _recordio_body(body: bytes, columns: Columns) -> Floats:
    return coded(recordio.read_body(body, columns.count), columns)


FORMATS = (
    Format(
        csv.NAME,
        csv.CONTENT_TYPES,
        csv.read_file,
        csv.read_body,
        extent.of_csv,
        "CSV",
        text=True,
        has_text=True,
    ),
    Format(
        libsvm.NAME,
        libsvm.CONTENT_TYPES,
        libsvm.read_file,
        _libsvm_body,
        extent.of_libsvm,
        "LibSVM",
        pipe=False,
        text=True,
    ),
    Format(
        parquet.NAME,
        parquet.CONTENT_TYPES,
        parquet.read_file,
        parquet.read_body,
        parquet.of_parquet,
        "Parquet",
        has_text=True,
    ),
    Format(
        recordio.NAME,
        recordio.CONTENT_TYPES,
        recordio.read_file,
        _recordio_body,
        extent.of_recordio,
        "RecordIO-Protobuf",
        unwrapped=False,
    ),
    Format(
        json.NAME, json.CONTENT_TYPES, None, json.read_document, extent.of_json, "JSON", text=True
    ),
    Format(
        json.LINES_NAME,
        json.LINES_CONTENT_TYPES,
        None,
        json.read_lines,
        extent.of_json_lines,
        "JSON Lines",
        text=True,
    ),
    Format(npy.NAME, npy.CONTENT_TYPES, None, npy.read_body, extent.of_npy, "NumPy"),
)
BY_CONTENT_TYPE = {name: row for row in FORMATS for name in row.content_types}


def format_of(content_type: str) -> Format:
    """Return the format of a content type, in upper or lower case.

    The parameters ``charset`` of text formats and ``header=present`` of CSV are part of the
    format's ``read_body``.

    Raises
    ------
    UserError
        The content type is not known, or has a ``label_size`` other than 1. Both messages begin
        with the words of AWS's container.
    """
    return BY_CONTENT_TYPE.get(content_type) or _with_parameters(content_type)


# Clients send the same few content types. To parse one takes longer than to read a row.
@lru_cache(maxsize=64)
def _with_parameters(content_type: str) -> Format:
    name, _, _ = content_type.partition(";")
    found = BY_CONTENT_TYPE.get(name.strip().lower())
    if found is None:
        raise UserError(
            f"{content_type} is not an accepted ContentType: {', '.join(BY_CONTENT_TYPE)}."
        )
    if _parameter(content_type, "label_size", "1") != "1":
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    if found.name == csv.NAME and has_header(content_type):
        found = replace(found, read_body=partial(csv.read_body, header=True))
    charset = charset_of(content_type)
    if found.text and CODECS.get(charset.lower()) != "utf-8":
        found = replace(found, read_body=_decoding(found.read_body, charset))
    return found


def _decoding(read_body: ReadBody, charset: str) -> ReadBody:
    return lambda body, columns: read_body(utf_8_of(body, charset), columns)


def charset_of(content_type: str) -> str:
    """Return the charset of a content type.

    >>> charset_of("text/csv; charset=latin-1"), charset_of("text/csv")
    ('latin-1', 'utf-8')
    """
    return _parameter(content_type, "charset", "utf-8")


def has_header(content_type: str) -> bool:
    """Return whether a content type has RFC 4180's parameter ``header=present``.

    >>> has_header("text/csv; header=present"), has_header("text/csv")
    (True, False)
    """
    return _parameter(content_type, "header", "absent").lower() == "present"


def guess(start: bytes) -> Format:
    """Return the format of data without a content type, by its first bytes.

    AWS's container reads such data as LIBSVM, and fails when the data is CSV. Here text without
    a ``:`` in its first row is CSV.
    """
    if start.startswith(parquet.MAGIC):
        return BY_CONTENT_TYPE[parquet.NAME]
    if start.startswith(recordio.MAGIC_BYTES):
        return BY_CONTENT_TYPE[recordio.NAME]
    # The tokens of the first line that has any beside a comment.
    lines = (line.partition(b"#")[0].split() for line in start.splitlines())
    items = next((items for items in lines if items), [])
    pairs = any(b":" in item for item in items)
    return BY_CONTENT_TYPE[libsvm.NAME if pairs else csv.NAME]


def _parameter(content_type: str, name: str, default: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param(name, default))
