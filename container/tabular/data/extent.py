"""What a request's body becomes in memory, estimated before it is decoded.

Each estimate is an upper bound that costs a few passes of ``bytes.count``. The bytes that one
value, list or object takes are those of CPython 3.11 to 3.14 and NumPy; a test decodes the densest
bodies of each format, and compares the peak.
"""

from __future__ import annotations

from dataclasses import dataclass

from tabular.data.columns import Columns
from tabular.data.csv.text import delimiter_of
from tabular.data.npy import shape_of
from tabular.data.recordio.framing import MAGIC_BYTES

FLOAT32 = 4
# pyarrow's float64 and its bit of validity, the place of the cell while it is parsed, its text,
# and in a column of text the code beside the text.
BYTES_PER_CELL, BYTES_PER_TEXT = 13, 24
# A list of one value (88), an object of one key (184, with its pairs while they are read 64), a
# key's place in it, a float with its place in a list, a text.
BYTES_PER_LIST, BYTES_PER_OBJECT, BYTES_PER_KEY = 96, 256, 120
BYTES_PER_VALUE, BYTES_PER_STRING = 36, 64
# Of a row by name: the tuple of its values in the model's order.
BYTES_PER_NAMED_ROW, BYTES_PER_NAMED_VALUE = 48, 8
# A line of JSON Lines, cut from the others.
BYTES_PER_LINE = 48
# Plain Python's lists of a small body of LIBSVM; of a large one the arrays of a block (1 MiB, 12
# times) come to this.
LIBSVM_SMALL, LIBSVM_BLOCK = 100, 12 << 20
# Of a record: its place, its size, and its row in the table of fields.
BYTES_PER_RECORD = 200
# A sparse value with a key of one byte takes five bytes, and becomes 60.
RECORDIO_PER_BYTE = 16
HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Extent:
    """What a body becomes.

    Attributes
    ----------
    rows : int
        At the most.
    peak : int
        Bytes beside the body while it is decoded, the matrix of float32 among them.
    """

    rows: int
    peak: int


def of_csv(body: bytes, columns: Columns) -> Extent:
    """Estimate CSV: a cell takes one byte at least, that of its delimiter or line end."""
    rows = _lines(body)
    head = body[:HEAD_BYTES].lstrip(b"\r\n").split(b"\n", 1)[0].decode("latin-1")
    delimiter = (delimiter_of(head) or ",").encode("latin-1")
    cells = min(body.count(delimiter) + rows, rows * columns.count)
    if columns.count > 1:  # a row of fewer cells is refused
        rows = min(rows, cells // columns.count + 1)
    texts = rows * len(columns.categories)
    return Extent(rows, 2 * len(body) + BYTES_PER_CELL * cells + BYTES_PER_TEXT * texts)


def of_json(body: bytes, columns: Columns) -> Extent:
    """Estimate a document."""
    lists, objects, values = body.count(b"["), body.count(b"{"), body.count(b",") + 1
    if columns.count == 1:  # each value may be a row
        rows = values
        lists += values
    else:
        rows = min(values // columns.count + 1, lists + objects)
    return Extent(rows, _json_bytes(body, lists, objects, values) + _matrix(rows, columns))


def of_json_lines(body: bytes, columns: Columns) -> Extent:
    """Estimate a document a line."""
    rows = _lines(body)
    lists, objects, values = body.count(b"["), body.count(b"{"), body.count(b",") + rows
    # The parts' rows, and all together.
    peak = _json_bytes(body, lists, objects, values) + 2 * _matrix(rows, columns)
    return Extent(rows, peak + BYTES_PER_LINE * rows)


def of_libsvm(body: bytes, columns: Columns) -> Extent:
    """Estimate LIBSVM: an empty line is a row of missing values, as wide as the model's."""
    rows = _lines(body)
    peak = 2 * _matrix(rows, columns) + len(body)
    return Extent(rows, peak + min(LIBSVM_SMALL * len(body), LIBSVM_BLOCK))


def of_npy(body: bytes, columns: Columns) -> Extent:
    """Estimate an array by its header; one that does not fit its header becomes nothing."""
    try:
        shape = shape_of(body, columns)
    except ValueError:  # whoever reads it says so
        return Extent(0, 0)
    return Extent(shape[0], _matrix(shape[0], columns))


def of_recordio(body: bytes, columns: Columns) -> Extent:
    """Estimate records: a sparse one without values is a row as wide as the model's."""
    rows = body.count(MAGIC_BYTES)
    peak = _matrix(rows, columns) + BYTES_PER_RECORD * rows + RECORDIO_PER_BYTE * len(body)
    return Extent(rows, peak)


def _json_bytes(body: bytes, lists: int, objects: int, values: int) -> int:
    # One letter beyond Unicode's first plane makes four bytes of each.
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


def _matrix(rows: int, columns: Columns) -> int:
    return FLOAT32 * rows * columns.count


def _lines(body: bytes) -> int:
    return (body.count(b"\n") or body.count(b"\r")) + 1
