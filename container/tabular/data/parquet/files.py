"""Read Parquet for training: columns by name, types from the file.

A file is read batch by batch, and each of its columns page by page. A stream that can't seek (Pipe
mode, or a gzip file of Parquet) holds the files of a channel one after the other; each Parquet file
of it is read into memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.layout import Layout
from tabular.data.parquet.batches import BatchReader
from tabular.data.pyarrow_without_pandas import hide_pandas
from tabular.data.source import BROKEN_STREAM, GZIP, SIGNATURE_BYTES, ZSTANDARD, Source, unreadable

NAME = "parquet"
CONTENT_TYPES = ("application/x-parquet", "parquet")

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
# A Parquet file ends with the length of its footer, in four bytes, and the magic bytes.
TAIL_BYTES = 8
BATCH_ROWS = 1 << 16
# Measured: 2 MB of float32 stay in the cache while the columns are copied into rows.
BATCH_VALUES = 1 << 19
FEWEST_ROWS = 1 << 10
# Without this buffer pyarrow holds all compressed pages of a column in a row group.
PAGE_BUFFER_BYTES = 1 << 16
READ_BYTES = 4 << 20


def read_file(source: Source, layout: Layout, threads: int) -> Iterator[Batch]:
    """Read a training file in batches.

    Parameters
    ----------
    layout : Layout
        Chooses columns by name; without ``target``, the first column is the label. ``weights``
        (``csv_weights``) is for CSV only, as in AWS's container.
    threads : int
        With more than one, pyarrow decodes columns in parallel.

    Raises
    ------
    UserError
        The file is not Parquet, is cut off, has a column that is neither numbers nor text, a
        missing label, or an infinite value. The message names file, row and column.
    """
    import pyarrow

    try:
        for number, content in enumerate(_contents(source), start=1):
            place = "" if number == 1 else f" of the stream's Parquet file {number}"
            yield from _read_one(source, content, layout, threads, place)
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{source.path} is broken Parquet ({reason}); write the file again"
        ) from error


def _contents(source: Source) -> Iterator[Any]:
    """Yield what pyarrow opens: the path, or the bytes of each Parquet file of a stream."""
    if source.is_file:
        try:
            with source.path.open("rb") as file:
                start = file.read(SIGNATURE_BYTES)
                file.seek(-min(file.seek(0, 2), TAIL_BYTES), 2)
                end = file.read()
        except OSError as error:
            raise unreadable(source.path, error) from error
        if not start.startswith((GZIP, ZSTANDARD)):
            if start:
                _check_whole(source, start, end)
                yield source.path
            return
    for content in _files_of(_chunks(source)):
        _check_whole(source, content[:SIGNATURE_BYTES], content[-TAIL_BYTES:])
        yield content


def _chunks(source: Source) -> Iterator[bytes]:
    with source.open() as stream:
        try:
            while chunk := stream.read(READ_BYTES):
                yield chunk
        except BROKEN_STREAM as error:
            raise unreadable(source.path, error) from error


def _files_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split a stream into its Parquet files."""
    held = bytearray()
    searched = len(MAGIC)
    for chunk in chunks:
        held += chunk
        while (at := held.find(MAGIC + MAGIC, searched)) >= 0:
            end = at + len(MAGIC)
            searched = at + 1
            # The data may contain the magic bytes twice, but not with a footer before them.
            if _has_footer(held, end):
                yield bytes(memoryview(held)[:end])
                del held[:end]
                searched = len(MAGIC)
        searched = max(searched, len(held) - 2 * len(MAGIC) + 1)
    if held:
        yield bytes(held)


def _has_footer(held: bytearray, end: int) -> bool:
    import pyarrow
    import pyarrow.parquet

    size = int.from_bytes(held[end - TAIL_BYTES : end - len(MAGIC)], "little") + TAIL_BYTES
    if size + len(MAGIC) > end:
        return False
    try:
        pyarrow.parquet.read_metadata(pyarrow.BufferReader(bytes(held[end - size : end])))
    except (pyarrow.ArrowException, OSError):
        return False
    return True


def _check_whole(source: Source, start: bytes, end: bytes) -> None:
    path = source.path
    if ENCRYPTED in (start, end[-len(MAGIC) :]):
        raise UserError(
            f"{path} is encrypted Parquet, which can't be read; write it without encryption"
        )
    if start != MAGIC:
        raise UserError(
            f"{path} is not Parquet (it begins with {start!r}, expected {MAGIC!r}); give the "
            "channel the content type of its files, such as text/csv, or remove the file"
        )
    if not end.endswith(MAGIC) or len(end) < TAIL_BYTES:
        raise UserError(
            f"{path} is cut off: it begins as Parquet, but does not end with {MAGIC!r}; upload the "
            "file again"
        )


def _read_one(
    source: Source, content: Any, layout: Layout, threads: int, place: str
) -> Iterator[Batch]:
    import pyarrow
    import pyarrow.parquet

    hide_pandas()

    def opened(texts: list[str]) -> pyarrow.parquet.ParquetFile:
        return pyarrow.parquet.ParquetFile(
            pyarrow.BufferReader(content) if isinstance(content, bytes) else content,
            pre_buffer=False,
            buffer_size=PAGE_BUFFER_BYTES,
            read_dictionary=texts,
        )

    with opened([]) as file:
        reader = BatchReader(source.path, file.schema_arrow, layout, place)
    # Text is read as dictionaries, so that a long text in many rows is held once.
    with opened(reader.texts) as file:
        first_row = 1
        size = min(BATCH_ROWS, max(FEWEST_ROWS, BATCH_VALUES // len(reader.used)))
        for batch in file.iter_batches(size, columns=reader.used, use_threads=threads > 1):
            if batch.num_rows:
                yield reader.read(batch, first_row)
            first_row += batch.num_rows
