"""RecordIO-protobuf, as SageMaker's SDK writes it: one row a record, dense or sparse.

A record is a magic number, a length, and a message padded to four bytes. ``records`` finds the
tensors in the messages (``messages`` walks the odd ones), ``tensors`` makes rows of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Sparse
from tabular.data.blocks import BLOCK_BYTES, in_order
from tabular.data.layout import Layout
from tabular.data.recordio.messages import RecordError
from tabular.data.recordio.records import Integers
from tabular.data.recordio.tensors import NO_VALUES, Rows, other_width, read_rows, unlike
from tabular.data.source import BROKEN_STREAM, Source, unreadable

NAME = "recordio-protobuf"
CONTENT_TYPES = ("application/x-recordio-protobuf", "recordio-protobuf")

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
HEADER = struct.Struct("<II")
# dmlc's RecordIO: the length's high bits tell the parts of a record that holds the magic number.
LENGTH_BITS = 29
MOST_BYTES = (1 << LENGTH_BITS) - 1
LINE_ENDS = {ord("\r"): " ", ord("\n"): " ", ord("\t"): " "}
KINDS_OF_FILE = {
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"{": "JSON",
    b"[": "JSON",
}


@dataclass(frozen=True)
class _Block:
    """Whole records of a file.

    Attributes
    ----------
    content : bytes
    starts, sizes : int64 arrays, (records,)
        Where each message begins in ``content``, and its bytes.
    first_record : int
        The number, from 1, of the first of them.
    offset : int
        Where ``content`` begins in the file, in bytes.
    broken : str
        What is wrong with the record after them, which ends the file; empty if nothing is.
    broken_at : int
        Where that record begins in ``content``.
    """

    content: bytes
    starts: Integers
    sizes: Integers
    first_record: int
    offset: int
    broken: str = ""
    broken_at: int = 0


def read_file(source: Source, layout: Layout, threads: int) -> Iterator[Batch]:
    """Read a training file in blocks.

    Parameters
    ----------
    layout : Layout
        Must choose no column by name, as these have none; ``weights`` means nothing here.
    threads : int
        How many read blocks at a time.

    Yields
    ------
    Batch
        Some 4 MiB of the file. Sparse records become a CSR matrix, with the keys of the file
        from 0 on and as many columns as their shapes say, else as the largest key needs.

    Raises
    ------
    UserError
        A record is broken, cut off, unlike the ones before it, or without a label; names file,
        record and byte. The file is of another format, or can't be read.
    """
    if layout.named:
        raise UserError(
            f"{source.path} is RecordIO-protobuf, whose columns have no names; take target, "
            "weight, group, features and header out of the job's settings, or use another format"
        )
    first: Rows | None = None
    columns = 0
    read = partial(_read, labelled=layout.labelled)
    try:
        with source.open() as stream:
            for block, rows in in_order(read, _blocks(stream), threads):
                first = first or rows
                _compare(rows, first, block)
                columns = max(columns, rows.columns)
                yield _batch(rows, block.first_record)
        if first and not columns:
            raise RecordError(f"record 1 {NO_VALUES}, and so have all others", 0)
    except RecordError as error:
        raise UserError(f"{source.path} {error}") from error
    except BROKEN_STREAM as error:
        raise unreadable(source.path, error) from error


def read_body(body: bytes, num_features: int) -> Floats:
    """Read the rows of a request.

    Parameters
    ----------
    num_features : int
        How many the model expects.

    Returns
    -------
    float32 array, (rows, num_features)
        nan where a sparse record has no value. Labels are left out.

    Raises
    ------
    ColumnCountError
        A dense record has another number of values, or a sparse one a key or a shape past
        ``num_features``.
    ValueError
        A record is broken; names record and byte.
    """
    block, _ = _cut(body, 1, 0, last=True)
    if not body:
        raise ValueError("the body holds no record")
    _, rows = _read(block, num_features)
    if rows.keys is None:
        return rows.values
    matrix = np.full((len(block.starts), num_features), np.nan, np.float32)
    matrix[np.repeat(np.arange(len(matrix)), np.diff(rows.bounds)), rows.keys] = rows.values
    return matrix


def _read(block: _Block, columns: int | None = None, labelled: bool = True) -> tuple[_Block, Rows]:
    """Read a block's records; raises RecordError with record and byte of the file."""
    try:
        if block.broken and not len(block.starts):
            raise RecordError(block.broken, 0, block.broken_at)
        rows = read_rows(block.content, block.starts, block.sizes, columns, labelled)
        if block.broken:
            raise RecordError(block.broken, len(block.starts), block.broken_at)
    except RecordError as error:
        raise _placed(error, block) from error
    return block, rows


def _placed(error: RecordError, block: _Block) -> RecordError:
    place = error.place
    if place is None:
        place = int(block.starts[error.row]) - HEADER.size
    where = f"record {block.first_record + error.row} (byte {block.offset + place})"
    return RecordError(f"{where} {error.what}", error.row, error.place)


def _compare(rows: Rows, first: Rows, block: _Block) -> None:
    """Refuse a block whose rows are unlike those of the file's first block."""
    sparse = first.keys is not None
    if (rows.keys is not None) != sparse:
        empty = not sparse and rows.bounds[1] == 0
        raise _placed(RecordError(NO_VALUES if empty else unlike(sparse), 0), block)
    if not sparse and rows.columns != first.columns:
        raise _placed(RecordError(other_width(rows.columns, first.columns), 0), block)


def _batch(rows: Rows, first_record: int) -> Batch:
    features: Floats | Sparse = rows.values
    if rows.keys is not None:
        import scipy.sparse

        features = scipy.sparse.csr_matrix(
            (rows.values, rows.keys, rows.bounds.astype(np.int32)),
            shape=(len(rows.bounds) - 1, rows.columns),
        )
    label = np.zeros(len(rows.bounds) - 1, np.float32) if rows.label is None else rows.label
    return Batch(features, label, where=lambda row: f"record {first_record + row}")


def _blocks(stream: BinaryIO) -> Iterator[_Block]:
    """Cut a file into blocks of whole records; the last one says what is broken."""
    record, offset = 1, 0
    content = b""
    wanted = BLOCK_BYTES
    while True:
        content = _filled(stream, content, wanted)
        block, used = _cut(content, record, offset, last=len(content) < wanted)
        if len(block.starts) or block.broken:
            yield block
        if block.broken or len(content) < wanted:
            return
        record += len(block.starts)
        offset += used
        content = content[used:]
        wanted = BLOCK_BYTES if used else max(2 * wanted, BLOCK_BYTES)


def _filled(stream: BinaryIO, content: bytes, wanted: int) -> bytes:
    """Read on to ``wanted`` bytes in all, or to the end, without trusting any length."""
    pieces = [content]
    missing = wanted - len(content)
    while missing > 0:
        piece = stream.read(min(missing, BLOCK_BYTES))
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _cut(content: bytes, record: int, offset: int, last: bool) -> tuple[_Block, int]:
    """Find the whole records that content begins with, and the bytes they take.

    With ``last`` nothing comes after the content, so that what is left over is broken.
    """
    firsts: list[int] = []  # records of one length in a row: where the first message begins,
    sizes: list[int] = []  # the bytes of each message,
    counts: list[int] = []  # and how many there are
    at, size_before = 0, -1
    while at + HEADER.size <= len(content):
        magic, size = HEADER.unpack_from(content, at)
        begin = at + HEADER.size
        stop = begin + (size + 3) // 4 * 4
        # Some writers leave out the padding at the end of the file.
        if magic != MAGIC or size > MOST_BYTES or (begin + size if last else stop) > len(content):
            break
        count = _repeated(content, at, stop - at) if size == size_before else 1
        firsts.append(begin)
        sizes.append(size)
        counts.append(count)
        at += count * (stop - at)
        size_before = size
    left = content[at : at + HEADER.size]
    broken = _fault(left, len(content) - at, last, first=record == 1 and not firsts)
    many = np.array(counts, np.int64)
    message_bytes = np.repeat(np.array(sizes, np.int64), many)
    place_in_run = np.arange(len(message_bytes)) - np.repeat(np.cumsum(many) - many, many)
    starts = np.repeat(np.array(firsts, np.int64), many)
    starts += place_in_run * (HEADER.size + (message_bytes + 3) // 4 * 4)
    return _Block(content, starts, message_bytes, record, offset, broken, at), at


def _repeated(content: bytes, at: int, step: int) -> int:
    """Count the whole records in a row, from ``at`` on, that have the same header."""
    most = (len(content) - at) // step
    header = content[at : at + HEADER.size]
    count = 1
    window = 8  # grows with the run, so that many short runs cost no more than they hold
    while count < most and content.startswith(header, at + count * step):
        window = min(window * 4, most - count)
        heads = np.ndarray((window,), "<u8", content, at + count * step, (step,))
        count += int((heads != heads[0]).argmax()) or window
    return count


def _fault(left: bytes, left_bytes: int, last: bool, first: bool) -> str:
    """Say what is wrong with the bytes after the whole records; empty if nothing is."""
    magic = left[:4]
    if magic != MAGIC_BYTES[: len(magic)]:
        found = f"begins with the bytes {magic.hex(' ')}, expected {MAGIC_BYTES.hex(' ')}"
        return found + (_kind_of_file(left) if first else "; write the file again")
    size = None
    if len(left) == HEADER.size:
        _, length = HEADER.unpack(left)
        size = length & MOST_BYTES
        if size != length:
            return (
                f"has the continuation flag {length >> LENGTH_BITS}, for a record in parts; write "
                "each record whole, as SageMaker's SDK does"
            )
    if left and last:
        whole = "" if size is None else f" of {HEADER.size + size}"
        return f"is cut off after {left_bytes} bytes{whole}; write or send it whole"
    return ""


def _kind_of_file(head: bytes) -> str:
    kind = next((name for start, name in KINDS_OF_FILE.items() if head.startswith(start)), "")
    if not kind and head.isascii() and head.decode("ascii").translate(LINE_ENDS).isprintable():
        kind = "text, such as CSV or LIBSVM"
    found = f"; this looks like {kind}" if kind else ""
    return f"{found}; correct the content type, or take this out"
