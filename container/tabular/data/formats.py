"""The table of data formats. To add one: write its module, add its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message

from tabular.contract.errors import UserError
from tabular.data import csv, libsvm, parquet, recordio
from tabular.data.batch import Batch, Floats
from tabular.data.columns import Columns
from tabular.data.layout import Layout
from tabular.data.source import Source


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    read_file : (source, layout, threads) -> batches
        For training; raises UserError.
    read_body : (bytes, columns) -> float32 array, (rows, columns), or None
        For serving, of rows as the model's ``Columns`` say; raises ColumnCountError, and
        ValueError for what can't be read. None: training only.
    spoken : str
        How AWS's container calls it.
    pipe : bool
        Whether Pipe mode can bring it.
    unwrapped : bool
        Whether RecordIO frames of Pipe mode are not the format's own.
    """

    name: str
    content_types: tuple[str, ...]
    read_file: Callable[[Source, Layout, int], Iterator[Batch]]
    read_body: Callable[[bytes, Columns], Floats] | None
    spoken: str
    pipe: bool = True
    unwrapped: bool = True


def _csv_body(body: bytes, columns: Columns) -> Floats:
    return csv.read_body(body, columns.count, columns.codes)


def _libsvm_body(body: bytes, columns: Columns) -> Floats:
    return libsvm.read_body(body, columns.count, columns.base)


def _recordio_body(body: bytes, columns: Columns) -> Floats:
    return recordio.read_body(body, columns.count)


FORMATS = (
    Format(csv.NAME, csv.CONTENT_TYPES, csv.read_file, _csv_body, "CSV"),
    Format(
        libsvm.NAME,
        libsvm.CONTENT_TYPES,
        libsvm.read_file,
        _libsvm_body,
        "LibSVM",
        pipe=False,
    ),
    Format(parquet.NAME, parquet.CONTENT_TYPES, parquet.read_file, None, "Parquet"),
    Format(
        recordio.NAME,
        recordio.CONTENT_TYPES,
        recordio.read_file,
        _recordio_body,
        "RecordIO-Protobuf",
        unwrapped=False,
    ),
)
BY_CONTENT_TYPE = {name: row for row in FORMATS for name in row.content_types}


def format_of(content_type: str) -> Format:
    """Find the format of a content type; case and parameters do not matter.

    Raises
    ------
    UserError
        The content type is not known, or has ``label_size`` other than 1. The first words of
        both messages are those of AWS's container.
    """
    exact = BY_CONTENT_TYPE.get(content_type)
    if exact is not None:
        return exact
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
    return found


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
