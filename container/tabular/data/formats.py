"""The table of data formats. To add one: write its module, add its row."""

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
from tabular.data.columns import Columns
from tabular.data.layout import Layout
from tabular.data.source import Source

ReadBody: TypeAlias = Callable[[bytes, Columns], Floats]
Measure: TypeAlias = Callable[[bytes, Columns], extent.Extent]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    read_file : (source, layout, threads) -> batches, or None
        For training; raises UserError. None: requests only.
    read_body : (bytes, columns) -> float32 array, (rows, columns)
        For serving, of rows as the model's ``Columns`` say; raises ColumnsError, and
        ValueError for what can't be read.
    measure : (bytes, columns) -> Extent
        What a body becomes, before it is read; raises ValueError where it contradicts itself.
    spoken : str
        How AWS's container calls it.
    pipe : bool
        Whether Pipe mode can bring it.
    unwrapped : bool
        Whether RecordIO frames of Pipe mode are not the format's own.
    text : bool
        Whether the content type's ``charset`` says anything about it.
    """

    name: str
    content_types: tuple[str, ...]
    read_file: Callable[[Source, Layout, int], Iterator[Batch]] | None
    read_body: ReadBody
    measure: Measure
    spoken: str
    pipe: bool = True
    unwrapped: bool = True
    text: bool = False


def _libsvm_body(body: bytes, columns: Columns) -> Floats:
    return libsvm.read_body(body, columns.count, columns.base)


def _recordio_body(body: bytes, columns: Columns) -> Floats:
    return recordio.read_body(body, columns.count)


FORMATS = (
    Format(
        csv.NAME, csv.CONTENT_TYPES, csv.read_file, csv.read_body, extent.of_csv, "CSV", text=True
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
    """Find the format of a content type, in any case.

    Its ``read_body`` heeds the parameters: ``charset`` of text, ``header=present`` of CSV.

    Raises
    ------
    UserError
        The content type is not known, or has ``label_size`` other than 1. The first words of
        both messages are those of AWS's container.
    """
    return BY_CONTENT_TYPE.get(content_type) or _with_parameters(content_type)


# Clients send the same few over and over, and parsing one takes longer than reading a row.
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
    """Find the charset of a content type: ``text/csv; charset=latin-1``."""
    return _parameter(content_type, "charset", "utf-8")


def has_header(content_type: str) -> bool:
    """Tell whether a content type says that CSV begins with names: ``text/csv; header=present``.

    The parameter is that of RFC 4180.
    """
    return _parameter(content_type, "header", "absent").lower() == "present"


def guess(start: bytes) -> Format:
    """Find the format of data without a content type, by its first bytes.

    AWS's container takes such data for LIBSVM; what is CSV can't be that.
    """
    if start.startswith(parquet.MAGIC):
        return BY_CONTENT_TYPE[parquet.NAME]
    if start.startswith(recordio.MAGIC_BYTES):
        return BY_CONTENT_TYPE[recordio.NAME]
    # The first line that is more than a comment, without its label.
    lines = (line.partition(b"#")[0].split() for line in start.splitlines())
    items = next((items for items in lines if items), [])
    pairs = any(b":" in item for item in items)
    return BY_CONTENT_TYPE[libsvm.NAME if pairs else csv.NAME]


def _parameter(content_type: str, name: str, default: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param(name, default))
