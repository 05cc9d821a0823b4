"""Find the tensors of many ``Record`` messages at once.

Three finders with one meaning. Records of one length mostly differ in their numbers alone, so
the rest is compared with the first of them (``_alike``); what protobuf libraries write, in the
order of the field numbers, is followed for all records at once (``_InStep``); all else that
protobuf allows is walked record by record (``messages``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

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
    Walk,
)

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PLACES = [VALUES, KEYS, SHAPE, LABEL]
# Below this NumPy's start-up costs more than a walk.
MANY = 8
KEY_ENTRY = b"\x0a\x06values"
KEY_WORD = int.from_bytes(KEY_ENTRY, "little")


def find_fields(content: bytes, starts: Integers, sizes: Integers) -> tuple[bytes, Integers]:
    """Find the tensors under the key "values" of features and label.

    Parameters
    ----------
    starts, sizes : int64 arrays, (records,)
        Where each message begins in ``content``, and its bytes.

    Returns
    -------
    content : bytes
        The same, or longer: numbers that were not written in one piece are put together at
        its end.
    table : int64 array, (records, COLUMNS)

    Raises
    ------
    RecordError
        A message is not protobuf.
    """
    table = np.zeros((len(starts), COLUMNS), np.int64)
    left = np.ones(len(starts), np.bool_)
    walk = Walk(content)
    for first, stop in _runs(sizes):
        fields = walk.fields(first, int(starts[first]), int(sizes[first]))
        if max(fields) >= len(content):  # put together, so not at one place in every record
            continue
        run = starts[first:stop]
        left[first:stop] = ~_alike(content, run, int(sizes[first]), fields)
        table[first:stop] = fields
        table[first:stop, PLACES] += (run - run[0])[:, None]
    rows = np.flatnonzero(left)
    if len(rows) >= MANY:
        steps = _InStep(content, starts[rows], starts[rows] + sizes[rows])
        table[rows] = steps.table
        rows = rows[~steps.fits]
    for row in rows.tolist():
        table[row] = walk.fields(row, int(starts[row]), int(sizes[row]))
    return content + b"".join(walk.pieces), table


def _runs(sizes: Integers) -> Iterator[tuple[int, int]]:
    """Find where many records in a row have one length."""
    edges = np.flatnonzero(np.diff(sizes)) + 1
    firsts = np.concatenate(([0], edges))
    stops = np.concatenate((edges, [len(sizes)]))
    long = stops - firsts >= MANY
    yield from zip(firsts[long].tolist(), stops[long].tolist(), strict=True)


def _alike(content: bytes, starts: Integers, size: int, fields: list[int]) -> Mask:
    """Tell which records of one length are the first one but for values, keys and label."""
    numbers = sorted(
        (fields[place] - int(starts[0]), fields[place + 1])
        for place in (VALUES, KEYS, LABEL)
        if fields[place + 1]
    )
    fits = np.ones(len(starts), np.bool_)
    stride = int(starts[1] - starts[0])
    begin = 0
    for end, taken in [*numbers, (size, 0)]:
        while begin < end:
            word = next(width for width in (8, 4, 2, 1) if width <= end - begin)
            place = int(starts[0]) + begin
            words = np.ndarray((len(starts),), f"<u{word}", content, place, (stride,))
            fits &= words == words[0]
            begin += word
        begin = end + taken
    return fits


class _InStep:
    """Messages in the order of the field numbers, followed together, one field at a time.

    Attributes
    ----------
    fits : bool array, (records,)
        Which messages are written so, to their last byte; the others' rows mean nothing.
    table : int64 array, (records, COLUMNS)
    """

    def __init__(self, content: bytes, starts: Integers, stops: Integers) -> None:
        self._bytes = np.frombuffer(content, np.uint8)
        # A word of eight bytes from each byte on.
        self._words = np.ndarray((len(content) - 7,), "<u8", content, 0, (1,))
        self._at = starts.copy()
        self.fits = np.ones(len(starts), np.bool_)
        self.table = np.zeros((len(starts), COLUMNS), np.int64)
        everywhere = self.fits.copy()
        self._tensor(0x0A, everywhere, [VALUES, KEYS, SHAPE], KIND)
        self._tensor(0x12, self._at < stops, [LABEL], LABEL_KIND)
        self.fits &= self._at == stops

    def _tensor(self, tag: int, there: Mask, places: list[int], kind_column: int) -> None:
        """Follow a map entry down to its tensor's numbers, and to its end."""
        entry = self._length(tag, there)
        words = self._words[np.minimum(self._at, len(self._words) - 1)]
        self.fits &= (words == KEY_WORD) | ~there
        self._at += there * len(KEY_ENTRY)
        value = self._length(0x12, there)
        tags = self._byte()
        for kind in WIRE:
            self.table[there & (tags == (kind << 3 | LENGTH)), kind_column] = kind
        self.fits &= (self.table[:, kind_column] > 0) | ~there
        tensor = self._length(None, there)
        for number, place in enumerate(places, start=1):
            present = there & (self._at < tensor) & (self._byte() == (number << 3 | LENGTH))
            end = self._length(None, present)
            self.table[:, place] = self._at * present
            self.table[:, place + 1] = end - self._at
            self._at = end
        same = (self._at == tensor) & (tensor == value) & (value == entry)
        self.fits &= same | ~there

    def _byte(self) -> npt.NDArray[np.uint8]:
        return self._bytes.take(self._at, mode="clip")

    def _length(self, tag: int | None, there: Mask) -> Integers:
        """Pass a tag and a length, and say where what it measures ends."""
        if tag is not None:
            self.fits &= (self._byte() == tag) | ~there
        self._at += there
        size = np.zeros(len(there), np.int64)
        more = there
        for shift in range(0, 35, 7):
            if not more.any():
                break
            byte = self._byte().astype(np.int64)
            size |= ((byte & 0x7F) << shift) * more
            self._at += more
            more = more & (byte >= 0x80)
        self.fits &= ~more
        return self._at + size
