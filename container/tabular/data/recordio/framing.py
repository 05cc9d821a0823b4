"""Cut RecordIO into records: a magic number, a length, and a message padded to four bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tabular.data.batch import Integers
from tabular.data.blocks import BLOCK_BYTES
from tabular.data.recordio.messages import RecordError

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
HEADER = struct.Struct("<II")
# In dmlc's RecordIO the upper 3 bits of the length mark the parts of a record that was split
# because its message contains the magic number.
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
class Block:
    """Whole records of a file or body.

    Attributes
    ----------
    content : bytes
    starts, sizes : int64 arrays, (records,)
        The offset of each message in ``content``, and its size in bytes.
    first_record : int
        The number of the block's first record in the file, from 1.
    offset : int
        The offset of ``content`` in the file, in bytes.
    fault : str
        What is wrong with the record after the whole ones; empty when nothing is. No block
        follows after a fault.
    fault_at : int
        The offset of that record in ``content``.
    """

    content: bytes
    starts: Integers
    sizes: Integers
    first_record: int
    offset: int
    fault: str = ""
    fault_at: int = 0

    def located(self, error: RecordError) -> RecordError:
        """Return the error with the record's number and byte in the file before its text."""
        place = error.place
        if place is None:
            place = int(self.starts[error.row]) - HEADER.size
        where = f"record {self.first_record + error.row} (byte {self.offset + place})"
        return RecordError(f"{where} {error.what}", error.row, error.place)


def blocks_of(stream: BinaryIO) -> Iterator[Block]:
    """Cut a file into blocks of whole records, of about ``BLOCK_BYTES``."""
    record, offset = 1, 0
    content = b""
    wanted = BLOCK_BYTES
    while True:
        content = _read_up_to(stream, content, wanted)
        last = len(content) < wanted
        block, used = cut(content, record, offset, last)
        if len(block.starts) or block.fault:
            yield block
        if block.fault or last:
            return
        record += len(block.starts)
        offset += used
        content = content[used:]
        # A record may be longer than a block.
        wanted = BLOCK_BYTES if used else max(2 * wanted, BLOCK_BYTES)


def _read_up_to(stream: BinaryIO, content: bytes, wanted: int) -> bytes:
    """Extend ``content`` to ``wanted`` bytes, or to the end of the stream.

    A broken record may claim any length, so memory is allocated for the bytes that come.
    """
    pieces = [content]
    missing = wanted - len(content)
    while missing > 0:
        piece = stream.read(min(missing, BLOCK_BYTES))
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def cut(content: bytes, first_record: int, offset: int, last: bool) -> tuple[Block, int]:
    """Find the whole records at the start of ``content``.

    Parameters
    ----------
    first_record, offset : int
        The first record's number, from 1, and the offset of ``content`` in the file.
    last : bool
        Nothing follows after ``content``, so an incomplete record is a fault.

    Returns
    -------
    block : Block
    used : int
        How many bytes the whole records take.
    """
    # For each run of records of the same length: the offset of its first message, the bytes of
    # each message, and the number of records.
    firsts: list[int] = []
    sizes: list[int] = []
    counts: list[int] = []
    at, size_before = 0, -1
    while at + HEADER.size <= len(content):
        magic, size = HEADER.unpack_from(content, at)
        begin = at + HEADER.size
        stop = begin + (size + 3) // 4 * 4
        # Some writers leave out the padding at the end of the file.
        if magic != MAGIC or size > MOST_BYTES or (begin + size if last else stop) > len(content):
            break
        count = _same_headers(content, at, stop - at) if size == size_before else 1
        firsts.append(begin)
        sizes.append(size)
        counts.append(count)
        at += count * (stop - at)
        size_before = size
    head = content[at : at + HEADER.size]
    fault = _fault(head, len(content) - at, last, first=first_record == 1 and not firsts)
    many = np.array(counts, np.int64)
    message_bytes = np.repeat(np.array(sizes, np.int64), many)
    place_in_run = np.arange(len(message_bytes)) - np.repeat(np.cumsum(many) - many, many)
    starts = np.repeat(np.array(firsts, np.int64), many)
    starts += place_in_run * (HEADER.size + (message_bytes + 3) // 4 * 4)
    return Block(content, starts, message_bytes, first_record, offset, fault, at), at


def _same_headers(content: bytes, at: int, step: int) -> int:
    """Count the whole records from ``at`` on, ``step`` bytes apart, with the same header."""
    most = (len(content) - at) // step
    header = content[at : at + HEADER.size]
    count = 1
    window = 8  # grows with the run, so that many short runs take no more time than one long run
    while count < most and content.startswith(header, at + count * step):
        window = min(window * 4, most - count)
        heads = np.ndarray((window,), "<u8", content, at + count * step, (step,))
        count += int((heads != heads[0]).argmax()) or window
    return count


def _fault(head: bytes, left_bytes: int, last: bool, first: bool) -> str:
    """Return what is wrong with the record after the whole ones; empty when nothing is.

    Parameters
    ----------
    head : bytes
        The record's first 8 bytes, or as many as there are.
    left_bytes : int
        All bytes after the whole records.
    """
    magic = head[:4]
    if magic != MAGIC_BYTES[: len(magic)]:
        found = f"begins with the bytes {magic.hex(' ')}, expected {MAGIC_BYTES.hex(' ')}"
        return found + (_kind_of_file(head) if first else "; write the file again")
    size = None
    if len(head) == HEADER.size:
        _, length = HEADER.unpack(head)
        size = length & MOST_BYTES
        if size != length:
            return (
                f"has the continuation flag {length >> LENGTH_BITS}, for a record in parts; write "
                "each record whole, as SageMaker's SDK does"
            )
    if head and last:
        whole = "" if size is None else f" of {HEADER.size + size}"
        return f"is cut off after {left_bytes} bytes{whole}; write or send it whole"
    return ""


def _kind_of_file(head: bytes) -> str:
    kind = next((name for start, name in KINDS_OF_FILE.items() if head.startswith(start)), "")
    if not kind and head.isascii() and head.decode("ascii").translate(LINE_ENDS).isprintable():
        kind = "text, such as CSV or LIBSVM"
    found = f"; this looks like {kind}" if kind else ""
    return f"{found}; correct the content type, or write the data as RecordIO-protobuf"
