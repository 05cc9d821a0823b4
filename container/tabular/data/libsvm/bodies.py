"""Read LIBSVM in requests into dense rows.

Plain Python reads small bodies: it has no start-up cost and takes under 20 us for 30 values.
``tokens`` reads large bodies. What they can't read, ``lines`` reads again, line by line, and names
line and token of a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from itertools import chain

import numpy as np

from tabular.data.batch import ColumnCountError, Floats
from tabular.data.blocks import BYTE_ORDER_MARK, Block, blocks_of
from tabular.data.libsvm.lines import blank, row_of
from tabular.data.libsvm.tokens import BLOCK_BYTES, tokens_of

# Plain Python reads bodies up to this size. To import pyarrow takes 40 MB in each worker.
SMALL_BODY_BYTES = 64 << 10
# Where a block of a large body can't be read, it is read again in parts of this size. ``lines``
# takes 50 ms for a part.
PART_BYTES = 64 << 10
# A line may begin with label:weight and qid:group. A value may have more than one blank before it.
NOT_FEATURES, MOST_GAPS = 2, 16
# The characters of LIBSVM. float() also accepts 1_0 and digits of other scripts.
PLAIN = b"0123456789+-.eEinfatyINFATY: \t\n"


def read_body(body: bytes, num_features: int, index_base: int) -> Floats:
    """Read the rows of a request: every line is a row, except lines with only a comment.

    A row may begin with a label, a weight and a group, which are ignored. A first ``a:b`` is a
    feature, unless ``a`` is not a whole number, a group follows, or the index ``a`` follows: then
    it is ``label:weight``.

    Parameters
    ----------
    num_features : int
        The number of features of the model.
    index_base : int
        The index of the first feature in the training data, 0 or 1.

    Returns
    -------
    float32 array, (rows, num_features)
        NaN where a value is missing, also in all columns of a row without features.

    Raises
    ------
    ColumnCountError
        An index is too large for the model.
    ValueError
        A line can't be read, or an index is below ``index_base``. The message names line and
        token.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    if not body:
        raise ValueError("the body holds no row")
    small = len(body) <= SMALL_BODY_BYTES
    read = _small_body if small else _fast_body
    parts = []
    for block in [Block(body, 1)] if small else blocks_of(BytesIO(body), BLOCK_BYTES):
        rows = _attempt(read, block, num_features, index_base)
        if rows is None:  # only ``lines`` can read the block, or name its fault
            again = _plain_body if small else _read_in_parts
            rows = again(block, num_features, index_base)
        parts.append(rows)
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if not len(rows):
        raise ValueError("the body holds comments and no row")
    return rows


def _attempt(
    read: Callable[[bytes, int, int], Floats], block: Block, num_features: int, index_base: int
) -> Floats | None:
    """Read a block; None if it fails. Its arrays are free then: no exception keeps their frames."""
    try:
        return read(block.content, num_features, index_base)
    except ValueError:
        return None


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
    if b"#" in content:  # a line with only a comment is not a row
        raise ValueError
    tokens = tokens_of(content)
    alone = tokens.first & ~tokens.paired
    # A group must follow a label without a weight; ``lines`` reads label:weight.
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
    """Read a block again in parts; only parts that ``tokens`` can't read go to ``lines``."""
    parts = []
    for part in blocks_of(BytesIO(block.content), PART_BYTES):
        rows = _attempt(_fast_body, part, num_features, index_base)
        if rows is None:
            placed = Block(part.content, block.first_line + part.first_line - 1)
            rows = _plain_body(placed, num_features, index_base)
        parts.append(rows)
    return np.concatenate(parts)


def _require_few_tokens(line: bytes, number: int, num_features: int) -> None:
    """Refuse a long line that can't be a row of the model, before its tokens become objects.

    A million tokens take 60 MB as Python strings.
    """
    if len(line) <= PART_BYTES:
        return
    values, gaps = line.count(b":"), line.count(b" ") + line.count(b"\t")
    most = num_features + NOT_FEATURES
    if values > most or gaps > MOST_GAPS * most:
        raise ValueError(
            f"line {number} has {values:,} values and {gaps:,} blanks, and the model has "
            f"{num_features:,} features; give each feature at most once in a line"
        )


def _plain_body(block: Block, num_features: int, index_base: int) -> Floats:
    lines = block.content.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, start=block.first_line):
        _require_few_tokens(line, number, num_features)
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
