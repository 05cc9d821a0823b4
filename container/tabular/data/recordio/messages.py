"""Parse SageMaker's ``Record`` messages one by one, in any form that protobuf allows.

The messages, by field numbers::

    Record         1 features, 2 label: map entries      other fields are skipped
    map entry      1 key (text), 2 value (Value)         only the key "values" is read
    Value          2 float32, 3 float64, 7 int32 tensor, 9 bytes: the last one counts
    tensor         1 values, 2 keys, 3 shape             packed, or one by one

Not by the protobuf library: it makes a Python object of each number, and does not say which byte
of a broken message is wrong. docs/architecture.md has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

FLOAT32, FLOAT64, INT32, BYTES = 2, 3, 7, 9
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types
WIRE = {FLOAT32: FIXED32, FLOAT64: FIXED64, INT32: VARINT}
FIXED_BYTES = {FIXED32: 4, FIXED64: 8}
LONGEST_VARINT = 10  # bytes: 64 bits, 7 in each

# The columns of the table of tensors, which has a row for each record: the kind of a tensor (its
# field number, 0 for none), the offset of its packed numbers, and their size in bytes.
COLUMNS = 10
KIND, VALUES, VALUES_BYTES, KEYS, KEYS_BYTES, SHAPE, SHAPE_BYTES = range(7)
LABEL_KIND, LABEL, LABEL_BYTES = range(7, COLUMNS)


class RecordError(ValueError):
    """A record that can't be read.

    Attributes
    ----------
    what : str
        What is wrong.
    row : int
        The record's position in the block, from 0.
    place : int or None
        The offset of the fault in the block, in bytes; None for the record as a whole.
    """

    def __init__(self, what: str, row: int, place: int | None = None) -> None:
        super().__init__(what)
        self.what, self.row, self.place = what, row, place


class _WireError(ValueError):
    def __init__(self, what: str, place: int) -> None:
        super().__init__(what)
        self.what, self.place = what, place


@dataclass
class _Tensor:
    """The offsets of a tensor's numbers in the content, as pairs of begin and end."""

    kind: int = 0
    values: list[tuple[int, int]] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    shape: list[tuple[int, int]] = field(default_factory=list)


class MessageParser:
    """Parses messages of ``content``, one at a time.

    Attributes
    ----------
    pieces : list of bytes
        Numbers that a message has in several places, joined. Their offsets in the table count on
        from the end of ``content``.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._end = len(content)
        self.pieces: list[bytes] = []

    def parse(self, row: int, start: int, size: int) -> list[int]:
        """Return a record's row of the table of tensors, or raise RecordError."""
        tensors = {1: _Tensor(), 2: _Tensor()}
        try:
            for number, wire, begin, end in _fields(self._content, start, start + size):
                if number in tensors and wire == LENGTH:
                    tensors[number] = self._entry(begin, end) or tensors[number]
        except _WireError as broken:
            what = f"is not a Record of protobuf ({broken.what}); write the file again"
            raise RecordError(what, row, broken.place) from broken
        features, label = tensors[1], tensors[2]
        spans = (features.values, features.keys, features.shape)
        places = [number for span in spans for number in self._joined(span)]
        return [features.kind, *places, label.kind, *self._joined(label.values)]

    def _entry(self, start: int, stop: int) -> _Tensor | None:
        """Return the tensor of a map entry, or None when its key is not "values"."""
        key = b""
        tensor = _Tensor()
        for number, wire, begin, end in _fields(self._content, start, stop):
            if wire == LENGTH and number == 1:
                key = self._content[begin:end]
            elif wire == LENGTH and number == 2:
                tensor = self._value(begin, end, tensor)
        return tensor if key == b"values" else None

    def _value(self, start: int, stop: int, tensor: _Tensor) -> _Tensor:
        for number, wire, begin, end in _fields(self._content, start, stop):
            if wire != LENGTH or (number not in WIRE and number != BYTES):
                continue
            # The last kind counts. protobuf merges fields of the same kind.
            if tensor.kind != number:
                tensor = _Tensor(number if number in WIRE else 0)
            if number in WIRE:
                self._numbers(begin, end, tensor)
        return tensor

    def _numbers(self, start: int, stop: int, tensor: _Tensor) -> None:
        lists = {1: tensor.values, 2: tensor.keys, 3: tensor.shape}
        for number, wire, begin, end in _fields(self._content, start, stop):
            unpacked = WIRE[tensor.kind] if number == 1 else VARINT
            if number not in lists or wire not in (LENGTH, unpacked) or begin == end:
                continue
            if (end - begin) % FIXED_BYTES.get(unpacked, 1) or (
                unpacked == VARINT and self._content[end - 1] >= 0x80
            ):
                raise _WireError("its numbers end in the middle of one", begin)
            lists[number].append((begin, end))

    def _joined(self, spans: list[tuple[int, int]]) -> tuple[int, int]:
        """Return offset and size of the numbers in ``spans``, in one piece."""
        if len(spans) > 1:
            piece = b"".join(self._content[begin:end] for begin, end in spans)
            self.pieces.append(piece)
            self._end += len(piece)
            return self._end - len(piece), len(piece)
        return (spans[0][0], spans[0][1] - spans[0][0]) if spans else (0, 0)


def _fields(content: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Iterate over a message: number, wire type, begin and end of each field."""
    while at < stop:
        tag, begin = _varint(content, at, stop)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            end = _varint(content, begin, stop)[1]
        elif wire == LENGTH:
            size, begin = _varint(content, begin, stop)
            end = begin + size
        elif wire in FIXED_BYTES:
            end = begin + FIXED_BYTES[wire]
        else:
            raise _WireError(f"wire type {wire} is not known", at)
        if not 0 < number < 1 << 29:
            raise _WireError(f"{number} is not a field number", at)
        if end > stop:
            raise _WireError("a field is longer than its message", at)
        yield number, wire, begin, end
        at = end


def _varint(content: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return the number at ``at``, and the offset after it."""
    value = 0
    for index, byte in enumerate(content[at : min(at + LONGEST_VARINT, stop)]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + index + 1
    raise _WireError("a number has no end", at)
