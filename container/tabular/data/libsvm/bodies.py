"""LIBSVM in requests: the dense rows that a model is asked about.

A request of a few rows is read by plain Python, which has no start-up cost and takes under
20 us for 30 values; a large body by ``libsvm_tokens``. What either can't read,
``libsvm_lines`` reads again, slowly, and names line and token.
"""

from __future__ import annotations

from io import BytesIO
from itertools import chain

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.blocks import BYTE_ORDER_MARK, Block, blocks_of
from tabular.data.libsvm.lines import blank, row_of
from tabular.data.libsvm.tokens import BLOCK_BYTES, tokens_of

# Below this a body is read by plain Python: importing pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
# A large body is read again in such parts where a block of it can't be read: the plain reader
# takes 50 ms for one.
PART_BYTES = 64 << 10
# All that a small body is written with; float() takes more (1_0, digits of other scripts).
PLAIN = b"0123456789+-.eEinfatyINFATY: \t\n"


def read_body(body: bytes, num_features: int, index_base: int) -> Floats:
    """Read the rows of a request; every line is one, but for lines with only a comment.

    A row may begin with a label, a weight and a group, which are left out. Without them, a
    first ``a:b`` is a feature if it can be one: ``label:weight`` is told by a label that is no
    whole number, by a group behind it, or by the same index behind it.

    Parameters
    ----------
    num_features : int
        How many the model expects.
    index_base : int
        What the indices of the training data start from, 0 or 1.

    Returns
    -------
    float32 array, (rows, num_features)
        NaN where a value is missing; a row without features is all NaN.

    Raises
    ------
    ColumnCountError
        An index is too large for the model.
    ValueError
        A line can't be read, or an index is below ``index_base``; names line and token.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    if not body:
        raise ValueError("the body holds no row")
    small = len(body) <= SMALL_BODY_BYTES
    read = _small_body if small else _fast_body
    parts = []
    for block in [Block(body, 1)] if small else blocks_of(BytesIO(body), BLOCK_BYTES):
        try:
            parts.append(read(block.content, num_features, index_base))
        except ValueError:  # what only the plain reader takes, or a fault that it names
            again = _plain_body if small else _read_in_parts
            parts.append(again(block, num_features, index_base))
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if not len(rows):
        raise ValueError("the body holds comments and no row")
    return rows


def _small_body(body: bytes, num_features: int, index_base: int) -> Floats:
    body = body.replace(b"\r\n", b"\n")
    if body.translate(None, PLAIN):
        raise ValueError
    lines = body.decode("ascii").removesuffix("\n").split("\n")
    places: list[int] = []
    values: list[float] = []
    for row, line in enumerate(lines):
        items = line.split()
        if items and ":" not in items[0]:
            float(items.pop(0))
        if not items:
            continue
        names, numbers = zip(*[item.split(":", 1) for item in items], strict=False)
        indices = [int(name) for name in names]
        if not (
            "".join(names).isdigit()
            and len(set(indices)) == len(indices)
            and min(indices) >= index_base
            and max(indices) < num_features + index_base
        ):
            raise ValueError
        start = row * num_features - index_base
        places += [start + index for index in indices]
        values += map(float, numbers)
    matrix = np.full((len(lines), num_features), np.nan, np.float32)
    with np.errstate(over="ignore"):
        matrix.reshape(-1)[places] = values
    return matrix


def _fast_body(content: bytes, num_features: int, index_base: int) -> Floats:
    if b"#" in content:  # a line of its own is no row
        raise ValueError
    tokens = tokens_of(content)
    alone = tokens.first & ~tokens.paired
    # A group behind label:weight is left to the other reader, as label:weight is.
    if not (tokens.first[tokens.groups] | alone[tokens.groups - 1]).all():
        raise ValueError
    tokens.int64(tokens.groups + 1)
    named = tokens.paired.copy()
    named[tokens.groups] = False
    at = np.flatnonzero(named)
    columns = tokens.indices(at) - index_base
    if columns.min(initial=0) < 0 or columns.max(initial=-1) >= num_features:
        raise ValueError
    rows = content.count(b"\n") + (not content.endswith(b"\n"))
    places = tokens.lines()[at] * num_features + columns
    if (np.diff(places) <= 0).any() and len(np.unique(places)) < len(places):
        raise ValueError
    matrix = np.full((rows, num_features), np.nan, np.float32)
    with np.errstate(over="ignore"):
        matrix.reshape(-1)[places] = tokens.values[at + 1]
    return matrix


def _read_in_parts(block: Block, num_features: int, index_base: int) -> Floats:
    """Read a block again, and leave to the plain reader no more of it than has to be."""
    parts = []
    for part in blocks_of(BytesIO(block.content), PART_BYTES):
        try:
            parts.append(_fast_body(part.content, num_features, index_base))
        except ValueError:
            placed = Block(part.content, block.first_line + part.first_line - 1)
            parts.append(_plain_body(placed, num_features, index_base))
    return np.concatenate(parts)


def _plain_body(block: Block, num_features: int, index_base: int) -> Floats:
    lines = block.content.removesuffix(b"\n").split(b"\n")
    rows = [
        row_of(line, number, training=False, lowest=index_base)
        for number, line in enumerate(lines, start=block.first_line)
        if b"#" not in line or not blank(line)
    ]
    largest = max(chain.from_iterable(row.pairs for row in rows), default=0)
    if largest >= num_features + index_base:
        raise ColumnCountError(largest + 1 - index_base, num_features)
    matrix = np.full((len(rows), num_features), np.nan, np.float32)
    with np.errstate(over="ignore"):
        for at, row in enumerate(rows):
            matrix[at, [index - index_base for index in row.pairs]] = list(row.pairs.values())
    return matrix
