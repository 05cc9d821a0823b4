"""Estimate the memory that a request of Parquet takes: a few bytes may hold a million values."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from tabular.data.columns import Columns
from tabular.data.extent import Extent, matrix_bytes
from tabular.data.parquet.footer import Chunk, chunks_of
from tabular.data.parquet.pages import DELTA_BYTE_ARRAY, MOST_PAGES, pages_of

# Values that are decoded at a time. A value takes its stored form (16 bytes for decimals), its
# float32 and its levels.
BATCH_VALUES = 1 << 19
BYTES_PER_VALUE = 40
# A dictionary of texts exists as its page, as pyarrow's copies, and as Python strings.
COPIES_OF_TEXTS = 4
BYTES_PER_TEXT = 64
# A column that pyarrow reads holds a page, compressed and decompressed.
COPIES_OF_A_PAGE = 2


def of_parquet(body: bytes, columns: Columns) -> Extent:
    """Estimate rows and memory from the footer and the headers of all pages.

    Raises
    ------
    ValueError
        Headers and footer are broken or contradict each other, or the file has an encoding or a
        number of pages that is not accepted.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(pyarrow.BufferReader(body))
    except (pyarrow.ArrowException, OSError):  # read_body() raises the error
        return Extent(0, 0)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    # pyarrow reads outside of its memory for a column that the schema does not have.
    if any(group.num_columns != metadata.num_columns for group in groups):
        raise ValueError("broken Parquet: a row group has other columns than the file")
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows or any(group.num_rows < 0 for group in groups):
        raise ValueError(
            f"broken Parquet: it states {metadata.num_rows} rows and has {rows}; write the file "
            "again"
        )
    chunks = chunks_of(body)
    if [len(group) for group in chunks] != [group.num_columns for group in groups]:
        raise ValueError("broken Parquet: its footer can be read in two ways")
    pages = max((_of_group(body, group) for group in chunks), default=0)
    decoded = BYTES_PER_VALUE * min(rows * columns.count, BATCH_VALUES + columns.count)
    return Extent(rows, matrix_bytes(rows, columns) + decoded + pages)


def _of_group(body: bytes, group: Sequence[Chunk]) -> int:
    """Return the bytes that the pages of a row group take at the same time."""
    file, size, count = BytesIO(body), 0, 0
    for chunk in group:
        texts = chunk.is_text
        largest = values = dictionaries = 0
        for page in pages_of(file, chunk, len(body)):
            count += 1
            if count > MOST_PAGES:
                raise ValueError(f"more than {MOST_PAGES} pages; write the file with fewer pages")
            if texts and page.encoding == DELTA_BYTE_ARRAY:
                raise ValueError(
                    f"column {chunk.name[:60]!r} has the encoding DELTA_BYTE_ARRAY, "
                    "which does not state the size of its texts; write the column with a dictionary"
                )
            if page.dictionary:
                copies = COPIES_OF_TEXTS if texts else COPIES_OF_A_PAGE
                dictionaries += copies * page.unpacked + BYTES_PER_TEXT * texts * page.values
            else:
                values += page.values
                # Texts without a dictionary are decoded into one.
                copies = COPIES_OF_TEXTS if texts else COPIES_OF_A_PAGE
                largest = max(largest, page.packed + copies * page.unpacked)
        if values != chunk.num_values:
            raise ValueError(
                f"broken Parquet: the pages of column {chunk.name[:60]!r} have {values} "
                f"values, the footer states {chunk.num_values}; write the file again"
            )
        size += largest + dictionaries
    return size
