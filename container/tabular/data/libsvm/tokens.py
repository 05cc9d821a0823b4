"""Read LIBSVM block by block: NumPy finds the tokens, Arrow parses their numbers.

For any fault these functions raise ``ValueError`` without a message, and the caller reads the text
again with ``lines``, which names the fault. Both readers give the same rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Booleans, Integers
from tabular.data.libsvm.lines import LARGEST_GROUP, LARGEST_INDEX
from tabular.data.pyarrow_without_pandas import hide_pandas

COMMENT = re.compile(rb"#[^\n]*")
QID, Q = b"qid:", ord("q")
SEPARATORS = b" \t\r\n:"
TAB, NEWLINE, CR, SPACE, COLON = b"\t\n\r :"
# The largest numbers of digits that are possible, without leading zeros.
INDEX_DIGITS, INT64_DIGITS = len(str(LARGEST_INDEX)), len(str(LARGEST_GROUP))
# The arrays below take 7 times the size of a block. Larger blocks, measured up to 4 MiB, are not
# faster.
BLOCK_BYTES = 1 << 20
# Arrow's StringArray has int32 offsets.
LARGEST_TEXT = 2**31 - 1


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, in order: what stands between the separators.

    Attributes
    ----------
    text : uint8 array
        The bytes, without comments.
    ends, sizes : int32 arrays, (tokens,)
        The offset of each token's end in ``text``, and its size in bytes.
    first : bool array, (tokens,)
        Whether it is the first of its line.
    paired : bool array, (tokens,)
        Whether a colon follows the token.
    strings : pyarrow.StringArray
        The tokens.
    values : float64 array, (tokens,)
        The numbers of the tokens; ``qid`` is 0.
    groups : int64 array
        The positions of the tokens ``qid`` that a colon follows.
    """

    text: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    first: Booleans
    paired: Booleans
    strings: Any
    values: npt.NDArray[np.float64]
    groups: Integers

    def indices(self, at: Integers) -> Integers:
        """Return the numbers of tokens ``at``, which must be digits, up to the largest index."""
        self._check_whole(at, INDEX_DIGITS)
        indices = self.values[at].astype(np.int64)
        if indices.max(initial=0) > LARGEST_INDEX:
            raise ValueError
        return indices

    def lines(self) -> Integers:
        """Return the line of each token, from 0."""
        firsts = np.flatnonzero(self.first)
        lines = np.searchsorted(np.flatnonzero(self.text == NEWLINE), self.ends[firsts])
        return np.repeat(lines, np.diff(firsts, append=len(self.first)))

    def int64(self, at: Integers) -> Integers:
        """Return the numbers of tokens ``at``, which must be digits; exact, unlike ``values``."""
        import pyarrow

        self._check_whole(at, INT64_DIGITS)
        return cast(Integers, self.strings.take(pyarrow.array(at)).cast(pyarrow.int64()).to_numpy())

    def _check_whole(self, at: Integers, digits: int) -> None:
        sizes = self.sizes[at]
        starts = (self.ends[at] - sizes).astype(np.int64)
        longest = int(sizes.max(initial=0))
        if longest > digits:
            raise ValueError
        for place in range(longest):
            digit = self.text.take(starts + place, mode="clip") - np.uint8(ord("0"))
            if ((digit > 9) & (sizes > place)).any():
                raise ValueError


def tokens_of(content: bytes) -> Tokens:
    """Split a text into tokens, and check that each is single or part of a pair ``a:b``.

    Raises
    ------
    ValueError
        A colon has no token before or after it, or a token is not a number.
    """
    import pyarrow

    hide_pandas()
    if not content.endswith(b"\n"):
        content += b"\n"
    if b"#" in content:
        content = COMMENT.sub(b"", content)
    # Arrow parses numbers like C's strtod, which also accepts nan(...).
    if len(content) > LARGEST_TEXT or b"(" in content:
        raise ValueError
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        raise ValueError
    text = np.frombuffer(content, np.uint8)
    cuts = np.flatnonzero((text <= SPACE) | (text == COLON))
    kind = text[cuts]
    paired, newline = kind == COLON, kind == NEWLINE
    if not (paired | newline | (kind == SPACE) | (kind == TAB) | (kind == CR)).all():
        raise ValueError
    ends = cuts.astype(np.int32)
    sizes = ends.copy()  # of the token before each separator, 0 between two of these
    sizes[1:] -= ends[:-1]
    sizes[1:] -= 1
    first = _behind(newline, True)
    if not sizes.all():
        # Each colon needs a token directly before and directly after it.
        if not sizes[paired].all() or not sizes[1:][paired[:-1]].all():
            raise ValueError
        kept = np.flatnonzero(sizes)
        line = np.cumsum(first, dtype=np.int32)[kept]
        ends, sizes, paired = ends[kept], sizes[kept], paired[kept]
        first = np.ones(len(kept), np.bool_)
        np.not_equal(line[1:], line[:-1], out=first[1:])
    behind = _behind(paired, False)
    if (paired & behind).any() or not (paired | behind | first).all():
        raise ValueError
    groups = np.zeros(0, np.int64)
    if b"q" in content:
        groups = np.flatnonzero(paired & (text[ends - sizes] == Q))
        if len(groups) != content.count(QID):
            raise ValueError
        content = content.replace(QID, b"000:")
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    strings = pyarrow.StringArray.from_buffers(
        len(sizes),
        pyarrow.py_buffer(offsets),
        pyarrow.py_buffer(content.translate(None, SEPARATORS)),
    )
    values = strings.cast(pyarrow.float64()).to_numpy()
    return Tokens(text, ends, sizes, first, paired, strings, values, groups)


def _behind(marks: Booleans, start: bool) -> Booleans:
    """Shift marks by one, to the following token."""
    moved = np.empty_like(marks)
    moved[:1] = start
    moved[1:] = marks[:-1]
    return moved
