"""Estimate how many rows a request's body has, and how much memory decoding it takes.

Each estimate is an upper bound, and costs a few passes of ``bytes.count``. The sizes of values,
lists and objects are those of CPython 3.11 to 3.14 and NumPy. A test decodes the densest bodies of
each format and compares the peak of memory with the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from tabular.data.blocks import LONGEST_LINE, LineTooLongError, blocks_of
from tabular.data.columns import Columns
from tabular.data.csv.text import delimiter_of
from tabular.data.libsvm.tokens import BLOCK_BYTES
from tabular.data.npy import shape_of
from tabular.data.recordio.framing import MAGIC_BYTES

FLOAT32 = 4
# A cell in pyarrow: a float64 with its validity bit, and its offset and text while it is parsed. In
# a column of text also the code.
BYTES_PER_CELL, BYTES_PER_TEXT = 13, 24
# A list of one value takes 88, an object of one key 184, and 64 more for its pairs while it is
# decoded. Then a key in an object, a float in a list, and a string.
BYTES_PER_LIST, BYTES_PER_OBJECT, BYTES_PER_KEY = 96, 256, 120
BYTES_PER_VALUE, BYTES_PER_STRING = 36, 64
# For a row by feature name: the tuple of its values in the model's order.
BYTES_PER_NAMED_ROW, BYTES_PER_NAMED_VALUE = 48, 8
# A line of JSON Lines as a bytes object.
BYTES_PER_LINE = 48
# LIBSVM: per byte of a small body, which is read into Python lists; the arrays of a block of a
# large body; and per byte of a block that is larger, because it holds one long line.
LIBSVM_SMALL, LIBSVM_BLOCK, LIBSVM_LONG_LINE = 100, 16 * BLOCK_BYTES, 32
# For a record: its offset, its size, and its row in the table of tensors.
BYTES_PER_RECORD = 200
# A sparse value with a key of one byte takes 5 bytes in the body and 60 in memory.
RECORDIO_PER_BYTE = 16
HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Extent:
    """An upper bound of what a body takes when it is decoded.

    Attributes
    ----------
    rows : int
        At most this many.
    peak : int
        Bytes of memory while the body is decoded, with the float32 matrix, without the body.
    """

    rows: int
    peak: int


def of_csv(body: bytes, columns: Columns) -> Extent:
    """Estimate CSV: every cell takes at least the byte of its delimiter or line end."""
    rows = _lines(body)
    head = body[:HEAD_BYTES].lstrip(b"\r\n").split(b"\n", 1)[0].decode("latin-1")
    delimiter = (delimiter_of(head) or ",").encode("latin-1")
    cells = min(body.count(delimiter) + rows, rows * columns.count)
    if columns.count > 1:  # a row with fewer cells is refused
        rows = min(rows, cells // columns.count + 1)
    texts = rows * (len(columns.categories) + len(columns.dates))
    peak = 2 * len(body) + BYTES_PER_CELL * cells + BYTES_PER_TEXT * texts
    return Extent(rows, peak + _features(rows, columns))


def of_json(body: bytes, columns: Columns) -> Extent:
    """Estimate a JSON document."""
    lists, objects, values = body.count(b"["), body.count(b"{"), body.count(b",") + 1
    if columns.count == 1:  # every value may be a row
        rows = values
        lists += values
    else:
        rows = min(values // columns.count + 1, lists + objects)
    return Extent(rows, _json_bytes(body, lists, objects, values) + matrix_bytes(rows, columns))


def of_json_lines(body: bytes, columns: Columns) -> Extent:
    """Estimate JSON Lines."""
    rows = _lines(body)
    lists, objects, values = body.count(b"["), body.count(b"{"), body.count(b",") + rows
    # The matrices of the parts, and the matrix of all rows.
    peak = _json_bytes(body, lists, objects, values) + 2 * matrix_bytes(rows, columns)
    return Extent(rows, peak + BYTES_PER_LINE * rows)


def of_libsvm(body: bytes, columns: Columns) -> Extent:
    """Estimate LIBSVM: even an empty line becomes a row with all of the model's columns."""
    rows = _lines(body)
    largest = _largest_block(body)
    # A block may also hold the start of a line that the block before it did not end.
    long = largest > BLOCK_BYTES + BLOCK_BYTES // 8
    decoded = LIBSVM_LONG_LINE * largest if long else LIBSVM_BLOCK
    peak = 2 * matrix_bytes(rows, columns) + len(body) + min(LIBSVM_SMALL * len(body), decoded)
    return Extent(rows, peak)


def of_npy(body: bytes, columns: Columns) -> Extent:
    """Estimate an array by its header; 0 for a broken body, which ``read_body`` refuses."""
    try:
        shape = shape_of(body, columns)
    except ValueError:
        return Extent(0, 0)
    # Integers of 64 bits become float64 first, which takes as much as the body.
    return Extent(shape[0], matrix_bytes(shape[0], columns) + len(body))


def of_recordio(body: bytes, columns: Columns) -> Extent:
    """Estimate records: even an empty one becomes a row with all of the model's columns."""
    rows = body.count(MAGIC_BYTES)
    peak = matrix_bytes(rows, columns) + BYTES_PER_RECORD * rows + RECORDIO_PER_BYTE * len(body)
    return Extent(rows, peak)


def _json_bytes(body: bytes, lists: int, objects: int, values: int) -> int:
    # With one character beyond Unicode's first plane, str takes 4 bytes for every character.
    text = len(body) * (2 if body.isascii() else 6)
    return (
        text
        + BYTES_PER_LIST * lists
        + BYTES_PER_OBJECT * objects
        + BYTES_PER_KEY * (body.count(b":") if objects else 0)
        + BYTES_PER_VALUE * values
        + BYTES_PER_STRING * (body.count(b'"') // 2)
        + (BYTES_PER_NAMED_ROW * objects + BYTES_PER_NAMED_VALUE * values if objects else 0)
    )


def matrix_bytes(rows: int, columns: Columns) -> int:
    """Return the bytes of a matrix of rows."""
    return FLOAT32 * rows * columns.count + _features(rows, columns)


def _features(rows: int, columns: Columns) -> int:
    """Return what the float64 rows and the features of dates take, where there are dates."""
    if not columns.dates:
        return 0
    return FLOAT32 * rows * (columns.count + columns.features.count)


def _lines(body: bytes) -> int:
    return (body.count(b"\n") or body.count(b"\r")) + 1


def _largest_block(body: bytes) -> int:
    """Return the size of the largest block in which the reader decodes a large body."""
    try:
        blocks = blocks_of(BytesIO(body), BLOCK_BYTES)
        return max((len(block.content) for block in blocks), default=0)
    except LineTooLongError:  # the reader refuses the body there
        return LONGEST_LINE
