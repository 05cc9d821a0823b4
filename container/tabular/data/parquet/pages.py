"""Read the headers of a Parquet file's pages, which state the decompressed sizes.

The footer may state less than the pages hold, so the header of each page is read. pyarrow allocates
a page's decompressed size from its header, and fails when the page has another size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from tabular.data.parquet.footer import Chunk
from tabular.data.parquet.thrift import read_struct

# parquet.thrift: PageHeader's fields, and those of the headers of data and dictionary pages.
UNPACKED, PACKED, DATA, DICTIONARY, DATA_V2 = 2, 3, 5, 7, 8
VALUES, ENCODING, ENCODING_V2 = 1, 2, 4
DELTA_BYTE_ARRAY = 7
# A page header takes 20 to 100 bytes, and more with statistics of long texts.
LONGEST_HEADER = 64 << 10
# A body of 6 MiB with 1,000 columns has 10,000 pages.
MOST_PAGES = 100_000


@dataclass(frozen=True)
class Page:
    """One page of a column.

    Attributes
    ----------
    unpacked, packed : int
        Bytes after and before decompression.
    values : int
        The number of values that the header states; for a dictionary, its entries.
    dictionary : bool
    encoding : int
        Parquet's number of the encoding; -1 for none.
    """

    unpacked: int
    packed: int
    values: int
    dictionary: bool
    encoding: int


def pages_of(file: BinaryIO, chunk: Chunk, size: int) -> Iterator[Page]:
    """Iterate over the pages of a column chunk.

    Parameters
    ----------
    file : binary file
        The whole Parquet file.
    chunk : Chunk
    size : int
        The size of the file, in bytes.

    Raises
    ------
    ValueError
        A header is broken, or a page lies outside of the file.
    """
    starts = [chunk.data_page_offset]
    if chunk.dictionary_page_offset:
        starts.append(chunk.dictionary_page_offset)
    at = min(starts)
    end = at + chunk.total_compressed_size
    if at < 0 or end > size or end < at:
        raise ValueError("broken Parquet: a column lies outside of the file")
    left = chunk.num_values
    while at < end and left > 0:
        file.seek(at)
        head = file.read(min(LONGEST_HEADER, end - at))
        header, length = read_struct(head)
        page = _page(header)
        at += length + page.packed
        if at > end:
            raise ValueError("broken Parquet: a page is longer than its column")
        left -= 0 if page.dictionary else page.values
        yield page


def _page(header: Mapping[int, Any]) -> Page:
    unpacked, packed = _number(header, UNPACKED, None), _number(header, PACKED, None)
    kinds = [kind for kind in (DATA, DATA_V2, DICTIONARY) if kind in header]
    if not kinds:  # an index page, which readers skip
        return Page(unpacked, packed, 0, True, -1)
    if len(kinds) > 1:
        raise ValueError("broken Parquet: a page is of several kinds")
    kind, data = kinds[0], header[kinds[0]]
    if not isinstance(data, dict):
        raise ValueError("broken Parquet: the header of a page is a number, expected a struct")
    encoding = _number(data, ENCODING_V2 if kind == DATA_V2 else ENCODING, -1)
    page = Page(unpacked, packed, _number(data, VALUES, 0), kind == DICTIONARY, encoding)
    # Each entry of a dictionary takes at least one byte; pyarrow allocates the stated number.
    if page.dictionary and page.values > page.unpacked:
        raise ValueError("broken Parquet: a dictionary has more entries than bytes")
    return page


def _number(fields: Mapping[int, Any], name: int, default: int | None) -> int:
    """Return a field that must be a number from 0 on; in a damaged header it may have any type."""
    value = fields.get(name, default)
    if value is None and name not in fields:
        raise ValueError("broken Parquet: a page does not say its size")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"broken Parquet: field {name} of a page header is not a number")
    if value < 0 and name in fields:
        raise ValueError(f"broken Parquet: field {name} of a page header is negative")
    return value
