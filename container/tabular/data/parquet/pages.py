"""The pages of a Parquet file: what they unpack to, before anything is unpacked.

A footer may say less than the pages hold, so the header of each page is read. pyarrow takes a
page's unpacked size from there, and fails when the page unpacks to another size.
The headers are Thrift's compact protocol; only the few fields below are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

# parquet.thrift: PageHeader's fields, and those of the headers of data and dictionary pages.
UNPACKED, PACKED, DATA, DICTIONARY, DATA_V2 = 2, 3, 5, 7, 8
VALUES, ENCODING, ENCODING_V2 = 1, 2, 4
DELTA_BYTE_ARRAY = 7
# Compact protocol: the types of fields.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
# A page header takes 20 to 100 bytes, and statistics of long texts more.
LONGEST_HEADER = 64 << 10
# A body of 6 MiB with a thousand columns has ten thousand.
MOST_PAGES = 100_000
DEEPEST = 8


@dataclass(frozen=True)
class Page:
    """One page of a column.

    Attributes
    ----------
    unpacked, packed : int
        Bytes.
    values : int
        As its header says; of a dictionary, its entries.
    dictionary : bool
    encoding : int
        Parquet's number of it; -1 for none.
    """

    unpacked: int
    packed: int
    values: int
    dictionary: bool
    encoding: int


def pages_of(file: BinaryIO, chunk: Any, size: int) -> Iterator[Page]:
    """Read the headers of a column chunk's pages.

    Parameters
    ----------
    file : binary file
        The whole Parquet file.
    chunk : pyarrow.parquet.ColumnChunkMetaData
    size : int
        Bytes of the file.

    Raises
    ------
    ValueError
        A header is broken, or a page lies outside of the file.
    """
    starts = [chunk.data_page_offset]
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        starts.append(chunk.dictionary_page_offset)
    at = min(starts)
    end = at + chunk.total_compressed_size
    if at < 0 or end > size or end < at:
        raise ValueError("broken Parquet: a column lies outside of the file")
    left = chunk.num_values
    while at < end and left > 0:
        file.seek(at)
        head = file.read(min(LONGEST_HEADER, end - at))
        header, length = _struct(head, 0, 0)
        page = _page(header)
        at += length + page.packed
        if at > end:
            raise ValueError("broken Parquet: a page is longer than its column")
        left -= 0 if page.dictionary else page.values
        yield page


def _page(header: Mapping[int, Any]) -> Page:
    unpacked, packed = _number(header, UNPACKED, None), _number(header, PACKED, None)
    kinds = [kind for kind in (DATA, DATA_V2, DICTIONARY) if kind in header]
    if not kinds:  # an index page, which is skipped
        return Page(unpacked, packed, 0, True, -1)
    if len(kinds) > 1:
        raise ValueError("broken Parquet: a page is of several kinds")
    kind, data = kinds[0], header[kinds[0]]
    if not isinstance(data, dict):
        raise ValueError("broken Parquet: the header of a page is a number, expected a struct")
    encoding = _number(data, ENCODING_V2 if kind == DATA_V2 else ENCODING, -1)
    page = Page(unpacked, packed, _number(data, VALUES, 0), kind == DICTIONARY, encoding)
    # Each entry of a dictionary takes a byte at least; pyarrow makes room for as many as it says.
    if page.dictionary and page.values > page.unpacked:
        raise ValueError("broken Parquet: a dictionary has more entries than bytes")
    return page


def _number(fields: Mapping[int, Any], name: int, default: int | None) -> int:
    """Return a field that is a number from 0 on; a damaged one may have any type."""
    value = fields.get(name, default)
    if value is None and name not in fields:
        raise ValueError("broken Parquet: a page does not say its size")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"broken Parquet: field {name} of a page header is not a number")
    if value < 0 and name in fields:
        raise ValueError(f"broken Parquet: field {name} of a page header is negative")
    return value


def _struct(content: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Read a struct: its fields by number, and where it ends."""
    if depth > DEEPEST:
        raise ValueError("broken Parquet: a page header is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while True:
        if at >= len(content):
            raise ValueError("broken Parquet: a page header is cut off or too long")
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
        return None, at + length
    if kind == STRUCT:
        return _struct(content, at, depth + 1)
    # Page headers hold no lists, sets or maps.
    raise ValueError("broken Parquet: a page header has an unknown field")


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
    raise ValueError("broken Parquet: a page header has a number without an end")
