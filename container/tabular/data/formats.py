"""The table of data formats. To add a format, write its module and add a row to ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.message import Message
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from tabular.contract.errors import UserError
from tabular.data import csv, extent, json, libsvm, npy, parquet, recordio
from tabular.data.batch import Batch, ColumnCountError, Floats
from tabular.data.charset import CODECS, utf_8_of
from tabular.data.columns import UNDECLARED, Columns, coded
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


def _libsvm_body(body: bytes, columns: Columns, base: int | None = None) -> Floats:
    return coded(libsvm.read_request(body, columns, base), columns)


def _recordio_body(body: bytes, columns: Columns) -> Floats:
    # The number of columns says whether keys are counted from index 0 or 1 of the training data.
    whole = columns.indices == UNDECLARED
    return coded(recordio.read_body(body, columns.count, whole, columns.absent), columns)


def _with_either_start(read_body: ReadBody) -> ReadBody:
    """Let a reader of dense rows read rows with and without a column for an index 0.

    See ``Columns.with_other_start``.
    """

    def read(body: bytes, columns: Columns) -> Floats:
        try:
            return read_body(body, columns)
        except ColumnCountError as error:
            other = columns.with_other_start()
            if other is None or error.found != other.count:
                raise
        rows = read_body(body, other)
        if other.count > columns.count:
            return np.ascontiguousarray(rows[:, 1:])
        return np.pad(rows, ((0, 0), (1, 0)))

    return read


def _of_either_start(measure: Measure) -> Measure:
    """Let an estimate accept what ``_with_either_start`` does."""

    def measured(body: bytes, columns: Columns) -> extent.Extent:
        found = measure(body, columns)
        other = columns.with_other_start()
        if other is None:
            return found
        second = measure(body, other)
        rows = max(found.rows, second.rows)
        copy = extent.FLOAT32 * rows * columns.count
        return extent.Extent(rows, max(found.peak, second.peak) + copy)

    return measured


FORMATS = (
    Format(
        csv.NAME,
        csv.CONTENT_TYPES,
        csv.read_file,
        _with_either_start(csv.read_body),
        _of_either_start(extent.of_csv),
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
        _with_either_start(parquet.read_body),
        _of_either_start(parquet.of_parquet),
        "Parquet",
        has_text=True,
    ),
    Format(
        recordio.NAME,
        recordio.CONTENT_TYPES,
        recordio.read_file,
        _with_either_start(_recordio_body),
        _of_either_start(extent.of_recordio),
        "RecordIO-Protobuf",
        unwrapped=False,
    ),
    Format(
        json.NAME,
        json.CONTENT_TYPES,
        None,
        _with_either_start(json.read_document),
        _of_either_start(extent.of_json),
        "JSON",
        text=True,
    ),
    Format(
        json.LINES_NAME,
        json.LINES_CONTENT_TYPES,
        None,
        _with_either_start(json.read_lines),
        _of_either_start(extent.of_json_lines),
        "JSON Lines",
        text=True,
    ),
    Format(
        npy.NAME,
        npy.CONTENT_TYPES,
        None,
        _with_either_start(npy.read_body),
        _of_either_start(extent.of_npy),
        "NumPy",
    ),
)
BY_CONTENT_TYPE = {name: row for row in FORMATS for name in row.content_types}


def format_of(content_type: str) -> Format:
    """Return the format of a content type, in upper or lower case.

    The parameters ``charset`` of text formats, ``header=present`` of CSV and ``base`` of LIBSVM
    are part of the format's ``read_body``.

    Raises
    ------
    UserError
        The content type is not known, has a ``label_size`` other than 1 (both messages begin with
        the words of AWS's container), or a ``base`` other than 0 or 1.
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
        read_body = _with_either_start(partial(csv.read_body, header=True))
        found = replace(found, read_body=read_body)
    if found.name == libsvm.NAME and (base := base_of(content_type)) is not None:
        found = replace(found, read_body=partial(_libsvm_body, base=base))
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


def base_of(content_type: str) -> int | None:
    """Return the first index of LIBSVM that a content type declares, or None.

    >>> base_of("text/libsvm; base=0"), base_of("text/libsvm")
    (0, None)

    Raises
    ------
    UserError
        It is neither 0 nor 1.
    """
    base = _parameter(content_type, "base", "").strip()
    if base not in ("", "0", "1"):
        raise UserError(
            f"{content_type} is not an accepted libsvm ContentType. Optional parameter base, the "
            "first index, must be 0 or 1"
        )
    return int(base) if base else None


def guess(start: bytes, named: bool = False) -> Format:
    """Return the format of data without a content type, by its first bytes.

    AWS's container reads such data as LIBSVM, and fails when the data is CSV. Here text is CSV
    unless its first row is ``[label] index:number index:number ...``.

    Parameters
    ----------
    named : bool
        The job names columns, which LIBSVM can't have.
    """
    if start.startswith(parquet.MAGIC):
        return BY_CONTENT_TYPE[parquet.NAME]
    if start.startswith(recordio.MAGIC_BYTES):
        return BY_CONTENT_TYPE[recordio.NAME]
    is_libsvm = not named and libsvm.looks_like_libsvm(start)
    return BY_CONTENT_TYPE[libsvm.NAME if is_libsvm else csv.NAME]


def _parameter(content_type: str, name: str, default: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param(name, default))
