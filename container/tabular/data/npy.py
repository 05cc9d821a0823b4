"""NumPy arrays in requests (``np.save``), read without ``np.load``; pickles are never loaded.

Regular expressions find the three values of the header, so nothing in the header is evaluated. The
size that the header states is compared with the body's before memory is allocated. NumPy's own
reader of headers takes 6 times as long; docs/architecture.md has the figures.
"""

from __future__ import annotations

import math
import re

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.columns import Columns, coded

NAME = "npy"
CONTENT_TYPES = ("application/x-npy",)

MAGIC = b"\x93NUMPY"
# How many bytes the length of the header takes, by the format's major version.
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
# np.save pads the header of a plain array to 118 or 182 bytes.
LONGEST_HEADER = 4096
TYPE = re.compile(rb"""['"]descr['"]\s*:\s*['"]([<>|=]?(?:b1|[iu][1248]|f[248]))['"]""")
FORTRAN = re.compile(rb"""['"]fortran_order['"]\s*:\s*(True|False)""")
SHAPE = re.compile(rb"""['"]shape['"]\s*:\s*\(\s*((?:[0-9]{1,18}\s*(?:,\s*|(?=\))))*)\)""")


def read_body(body: bytes, columns: Columns) -> Floats:
    """Read the rows of a request.

    The array has two dimensions, rows and columns. An array of one dimension is one row, or, for a
    model with a single feature, one row per value. The dtype is bool, an integer or a float of up
    to 64 bits, in either byte order. The memory order is C or Fortran.

    Returns
    -------
    float32 array, (rows, columns), in C order

    Raises
    ------
    ColumnCountError
        The array has another number of columns.
    ValueError
        The body is not such an array, or its size is not the one that its header states.
    """
    kind, fortran, found, start = _header(body)
    shape = _two_dimensions(found, columns)
    size = math.prod(shape) * kind.itemsize
    if size != len(body) - start:
        raise ValueError(
            f"the header says {shape[0]} rows of {shape[1]} columns of {kind}, which are {size} "
            f"bytes, but {len(body) - start} follow"
        )
    values = np.frombuffer(body, kind, offset=start).reshape(shape, order="F" if fortran else "C")
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, as in CSV
        # Through float64, so that a large integer is the same number as in CSV.
        large = values.dtype.kind in "iu" and values.itemsize > 4
        wide = values.astype(np.float64) if large else values
        if columns.values and values.dtype.kind != "b":  # an encoder's categories, with all digits
            small = values.dtype.kind == "f" and values.itemsize <= 4
            exact = coded(values.astype(np.float32 if small else np.float64), columns)
            codes: Floats = exact.astype(np.float32, order="C")
            return codes
        rows: Floats = wide.astype(np.float32, order="C")
    return coded(rows, columns)


def shape_of(body: bytes, columns: Columns) -> tuple[int, int]:
    """Return the rows and columns that the header states; not more rows than the body can hold.

    Raises
    ------
    ColumnCountError
        The array has another number of columns.
    ValueError
        The body is not such an array.
    """
    kind, _, found, start = _header(body)
    rows, count = _two_dimensions(found, columns)
    return min(rows, (len(body) - start) // kind.itemsize), count


def _two_dimensions(shape: tuple[int, ...], columns: Columns) -> tuple[int, int]:
    if len(shape) == 1:
        shape = (shape[0], 1) if columns.count == 1 else (1, shape[0])
    if len(shape) != 2:
        raise ValueError(f"the array has {len(shape)} dimensions, expected 2: rows and columns")
    if shape[1] != columns.count:
        raise ColumnCountError(shape[1], columns.count)
    if not shape[0]:
        raise ValueError("the body holds no row")
    return shape[0], shape[1]


def _header(body: bytes) -> tuple[np.dtype[np.generic], bool, tuple[int, ...], int]:
    """Parse the header: dtype, whether the order is Fortran's, shape, offset of the values."""
    if not body.startswith(MAGIC):
        raise ValueError(f"no NumPy array (it begins with {body[:6]!r}, expected {MAGIC!r})")
    version = body[len(MAGIC)] if len(body) > len(MAGIC) else 0
    if version not in LENGTH_BYTES:
        raise ValueError(f"version {version} of NumPy's format, expected 1, 2 or 3")
    length_at = len(MAGIC) + 2
    header_at = length_at + LENGTH_BYTES[version]
    length = int.from_bytes(body[length_at:header_at], "little")
    start = header_at + length
    if length > LONGEST_HEADER or start > len(body):
        raise ValueError(
            f"the header has {length} bytes, of {len(body)} in all; the header is cut off"
        )
    header = body[header_at:start]
    kind, fortran, shape = (found.search(header) for found in (TYPE, FORTRAN, SHAPE))
    if not (kind and fortran and shape):
        raise ValueError(
            f"the header is {header[:100]!r}; expected an array of plain numbers (bool, integers "
            "or floats; no objects, texts or fields): array.astype('float32')"
        )
    sizes = tuple(int(size) for size in shape[1].replace(b",", b" ").split())
    return np.dtype(kind[1].decode()), fortran[1] == b"True", sizes, start
