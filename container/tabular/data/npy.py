"""NumPy arrays in requests (``np.save``), read without ``np.load``: never pickles.

The header is three values that regular expressions find, so nothing in it is evaluated; and its
size is compared with the body's before anything is allocated.
"""

from __future__ import annotations

import math
import re

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.columns import Columns

NAME = "npy"
CONTENT_TYPES = ("application/x-npy",)

MAGIC = b"\x93NUMPY"
# The size of the header's length, by the format's major version.
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
# np.save pads the header of a plain array to 118 or 182 bytes.
LONGEST_HEADER = 4096
TYPE = re.compile(rb"""['"]descr['"]\s*:\s*['"]([<>|=]?(?:b1|[iu][1248]|f[248]))['"]""")
FORTRAN = re.compile(rb"""['"]fortran_order['"]\s*:\s*(True|False)""")
SHAPE = re.compile(rb"""['"]shape['"]\s*:\s*\(\s*((?:[0-9]{1,18}\s*(?:,\s*|(?=\))))*)\)""")


def read_body(body: bytes, columns: Columns) -> Floats:
    """Read the rows of a request.

    The array has two dimensions; or one, which is a row, but for a model of a single feature,
    where each value is a row. Its type is any of numbers or bool, in any order of bytes, rows
    or columns.

    Returns
    -------
    float32 array, (rows, columns), in C order

    Raises
    ------
    ColumnCountError
        The array has another number of columns.
    ValueError
        The body is no such array, or has another size than its header says.
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
    with np.errstate(over="ignore"):  # too large for float32 is infinite, as in CSV
        return values.astype(np.float32, order="C")


def shape_of(body: bytes, columns: Columns) -> tuple[int, int]:
    """Find the rows and columns that an array's header says, as far as its bytes can hold them.

    Raises
    ------
    ValueError
        The body is no such array, or has other columns.
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
    """Find type, order, shape, and where the values start."""
    if not body.startswith(MAGIC):
        raise ValueError(f"no NumPy array (it begins with {body[:6]!r}, not with {MAGIC!r})")
    version = body[len(MAGIC)] if len(body) > len(MAGIC) else 0
    if version not in LENGTH_BYTES:
        raise ValueError(f"version {version} of NumPy's format, expected 1, 2 or 3")
    length_at = len(MAGIC) + 2
    header_at = length_at + LENGTH_BYTES[version]
    length = int.from_bytes(body[length_at:header_at], "little")
    start = header_at + length
    if length > LONGEST_HEADER or start > len(body):
        raise ValueError(f"the header has {length} bytes, of {len(body)} in all; it is cut off")
    header = body[header_at:start]
    kind, fortran, shape = (found.search(header) for found in (TYPE, FORTRAN, SHAPE))
    if not (kind and fortran and shape):
        raise ValueError(
            f"the header is {header[:100]!r}; expected an array of plain numbers (bool, integers "
            "or floats; no objects, texts or fields): array.astype('float32')"
        )
    sizes = tuple(int(size) for size in shape[1].replace(b",", b" ").split())
    return np.dtype(kind[1].decode()), fortran[1] == b"True", sizes, start
