"""Decode Thrift's compact protocol, as far as headers and footers of Parquet use it.

pyarrow can't be used for this: for some footers with one damaged byte it ends the process when it
is asked for the metadata of a column.
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
# In the 4 bits for the size of a list: the size follows as a number of its own.
LONG_LIST = 15
# The deepest struct of a footer, the statistics of a column, is at level 6.
DEEPEST = 16


def read_struct(content: bytes, at: int = 0, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Decode a struct.

    Returns
    -------
    fields, end : dict of int to object, int
        The values by field number, and the offset after the struct.

    Raises
    ------
    ValueError
        The struct is broken.
    """
    if depth > DEEPEST:
        raise ValueError("broken Parquet: a header is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while True:
        if at >= len(content):
            raise ValueError("broken Parquet: a header is cut off or too long")
        head = content[at]
        at += 1
        if head == 0:
            return fields, at
        kind, delta = head & 0x0F, head >> 4
        if delta:
            number += delta
        else:
            number, at = _integer(content, at)
        fields[number], at = _value(content, at, kind, depth)


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind == BYTE:
        return None, at + 1
    if kind in (I16, I32, I64):
        return _integer(content, at)
    if kind == DOUBLE:
        return None, at + 8
    if kind == BINARY:
        length, at = _varint(content, at)
        return content[at : at + length], at + length
    if kind == STRUCT:
        return read_struct(content, at, depth + 1)
    if kind in (LIST, SET):
        return _list(content, at, depth + 1)
    raise ValueError("broken Parquet: a header has an unknown field")


def _list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    if at >= len(content):
        raise ValueError("broken Parquet: a header is cut off or too long")
    size, kind = content[at] >> 4, content[at] & 0x0F
    at += 1
    if size == LONG_LIST:
        size, at = _varint(content, at)
    # Each element takes at least one byte.
    if size > len(content) - at:
        raise ValueError("broken Parquet: a header has a list that is longer than the file")
    items = []
    for _ in range(size):
        if kind in (TRUE, FALSE):  # in a list a boolean takes a byte
            value, at = None, at + 1
        else:
            value, at = _value(content, at, kind, depth)
        items.append(value)
    return items, at


def _integer(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at  # zigzag


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("broken Parquet: a header has a number without an end")
