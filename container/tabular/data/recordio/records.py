"""Find the tensors of many ``Record`` messages at once.

Three ways give the same result; the fastest that fits a record is used:

- Records of the same length mostly differ in their numbers only. They are compared with the first
  of them, which is parsed (``_same_layout``).
- protobuf libraries write fields in the order of their numbers. Such messages are parsed in
  parallel, field by field (``_ParallelParser``).
- All other messages are parsed one by one (``messages``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Booleans, Integers
from tabular.data.recordio.messages import (
    COLUMNS,
    KEYS,
    KIND,
    LABEL,
    LABEL_KIND,
    LENGTH,
    SHAPE,
    VALUES,
    WIRE,
    MessageParser,
)

PLACES = [VALUES, KEYS, SHAPE, LABEL]
# With fewer records NumPy's overhead costs more than parsing them one by one.
MANY = 8
KEY_ENTRY = b"\x0a\x06values"
KEY_WORD = int.from_bytes(KEY_ENTRY, "little")


def find_tensors(content: bytes, starts: Integers, sizes: Integers) -> tuple[bytes, Integers]:
    """Find the tensors under the key "values" of features and label.

    Parameters
    ----------
    starts, sizes : int64 arrays, (records,)
        The offset of each message in ``content``, and its size in bytes.

    Returns
    -------
    content : bytes
        The given content. Numbers that a message has in several places follow after it, joined.
    table : int64 array, (records, COLUMNS)
        Kinds, offsets and sizes of the tensors; ``messages`` names the columns.

    Raises
    ------
    RecordError
        A message is not protobuf.
    """
    table = np.zeros((len(starts), COLUMNS), np.int64)
    left = np.ones(len(starts), np.bool_)
    parser = MessageParser(content)
    for first, stop in _runs(sizes):
        fields = parser.parse(first, int(starts[first]), int(sizes[first]))
        # Joined numbers lie after the content, so the other records do not have them at the
        # same place.
        if max(fields) >= len(content):
            continue
        run = starts[first:stop]
        left[first:stop] = ~_same_layout(content, run, int(sizes[first]), fields)
        table[first:stop] = fields
        table[first:stop, PLACES] += (run - run[0])[:, None]
    rows = np.flatnonzero(left)
    if len(rows) >= MANY:
        parallel = _ParallelParser(content, starts[rows], starts[rows] + sizes[rows])
        table[rows] = parallel.table
        rows = rows[~parallel.fits]
    for row in rows.tolist():
        table[row] = parser.parse(row, int(starts[row]), int(sizes[row]))
    return content + b"".join(parser.pieces), table


def _runs(sizes: Integers) -> Iterator[tuple[int, int]]:
    """Find runs of at least ``MANY`` records of the same length: first record, and the end."""
    edges = np.flatnonzero(np.diff(sizes)) + 1
    firsts = np.concatenate(([0], edges))
    stops = np.concatenate((edges, [len(sizes)]))
    long = stops - firsts >= MANY
    yield from zip(firsts[long].tolist(), stops[long].tolist(), strict=True)


def _same_layout(content: bytes, starts: Integers, size: int, fields: list[int]) -> Booleans:
    """Return which records equal the first one in all bytes but values, keys and label."""
    numbers = sorted(
        (fields[place] - int(starts[0]), fields[place + 1])
        for place in (VALUES, KEYS, LABEL)
        if fields[place + 1]
    )
    fits = np.ones(len(starts), np.bool_)
    stride = int(starts[1] - starts[0])
    begin = 0
    for end, skipped in [*numbers, (size, 0)]:
        while begin < end:
            word = next(width for width in (8, 4, 2, 1) if width <= end - begin)
            place = int(starts[0]) + begin
            words = np.ndarray((len(starts),), f"<u{word}", content, place, (stride,))
            fits &= words == words[0]
            begin += word
        begin = end + skipped
    return fits


class _ParallelParser:
    """Parses messages whose fields are in the order of their numbers, all messages in parallel.

    Attributes
    ----------
    fits : bool array, (records,)
        Which messages have this form, to their last byte. The rows of the others are undefined.
    table : int64 array, (records, COLUMNS)
    """

    def __init__(self, content: bytes, starts: Integers, stops: Integers) -> None:
        self._bytes = np.frombuffer(content, np.uint8)
        # The 8 bytes from each offset on, as one word.
        self._words = np.ndarray((len(content) - 7,), "<u8", content, 0, (1,))
        self._at = starts.copy()
        self.fits = np.ones(len(starts), np.bool_)
        self.table = np.zeros((len(starts), COLUMNS), np.int64)
        all_records = self.fits.copy()
        self._tensor(0x0A, all_records, [VALUES, KEYS, SHAPE], KIND)
        self._tensor(0x12, self._at < stops, [LABEL], LABEL_KIND)
        self.fits &= self._at == stops

    def _tensor(self, tag: int, present: Booleans, places: list[int], kind_column: int) -> None:
        """Parse a map entry, where ``present``, down to the numbers of its tensor."""
        entry_end = self._length(tag, present)
        words = self._words[np.minimum(self._at, len(self._words) - 1)]
        self.fits &= (words == KEY_WORD) | ~present
        self._at += present * len(KEY_ENTRY)
        value_end = self._length(0x12, present)
        tags = self._byte()
        for kind in WIRE:
            self.table[present & (tags == (kind << 3 | LENGTH)), kind_column] = kind
        self.fits &= (self.table[:, kind_column] > 0) | ~present
        tensor_end = self._length(None, present)
        for number, place in enumerate(places, start=1):
            has = present & (self._at < tensor_end) & (self._byte() == (number << 3 | LENGTH))
            end = self._length(None, has)
            self.table[:, place] = self._at * has
            self.table[:, place + 1] = end - self._at
            self._at = end
        at_end = (self._at == tensor_end) & (tensor_end == value_end) & (value_end == entry_end)
        self.fits &= at_end | ~present

    def _byte(self) -> npt.NDArray[np.uint8]:
        return self._bytes.take(self._at, mode="clip")

    def _length(self, tag: int | None, present: Booleans) -> Integers:
        """Read a tag and a length; return the end of the field that has this length."""
        if tag is not None:
            self.fits &= (self._byte() == tag) | ~present
        self._at += present
        size = np.zeros(len(present), np.int64)
        more = present
        for shift in range(0, 35, 7):
            if not more.any():
                break
            byte = self._byte().astype(np.int64)
            size |= ((byte & 0x7F) << shift) * more
            self._at += more
            more = more & (byte >= 0x80)
        self.fits &= ~more
        return self._at + size
