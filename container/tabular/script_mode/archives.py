"""Unpack an archive of code: whole, within the disk, and into its folder only."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

from tabular.contract.errors import UserError
from tabular.contract.machine import MEBIBYTE

# What the SDK calls the archive of a source folder.
SUBMITTED = "sourcedir.tar.gz"
MAKE = f"make it with: tar -czf {SUBMITTED} -C your_folder ."
BLOCK_BYTES = 512
CHUNK_BYTES = 1 << 20
# tarfile keeps about 1 kB for each; code has thousands.
MOST_MEMBERS = 200_000
# What Python's tarfile and its decompressors raise for bytes that are no archive.
BROKEN = (
    *(tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(ValueError, ArithmeticError, LookupError, TypeError, RecursionError),
)


def unpack(archive: Path, target: Path, name: str) -> None:
    """Unpack a tar archive, compressed or not, after all of it has been read once.

    Parameters
    ----------
    target : Path
        A folder that exists.
    name : str
        What messages call the archive.

    Raises
    ------
    UserError
        It is cut off, it has anything behind its end, it needs more than the disk has, or a member
        would lie outside of the folder.
    """
    try:
        with tarfile.open(archive) as opened:
            _check_size(opened, target, name)
            _check_end(opened, name)
            opened.extractall(target, filter=_inside)  # noqa: S202 filtered
    except tarfile.FilterError as error:
        raise UserError(
            f"{name}: its member {error.tarinfo.name!r} is refused: {error}; pack ordinary files "
            "with paths inside the folder"
        ) from error
    except BROKEN as error:
        raise UserError(f"{name} is no whole tar archive ({error}); {MAKE}") from error


def _check_size(opened: tarfile.TarFile, target: Path, name: str) -> None:
    free = shutil.disk_usage(target).free
    size = 0
    for count, member in enumerate(opened, 1):
        # A file takes whole blocks.
        size += -(-member.size // BLOCK_BYTES) * BLOCK_BYTES
        if size > free:
            raise UserError(
                f"{name} unpacks to more than {size // MEBIBYTE} MiB, and the disk has "
                f"{free // MEBIBYTE} MiB; pack the code alone, and give data as a channel"
            )
        if count > MOST_MEMBERS:
            raise UserError(
                f"{name} holds more than {MOST_MEMBERS} files; pack the code alone, and give data "
                "as a channel"
            )


def _check_end(opened: tarfile.TarFile, name: str) -> None:
    """Look for the block of zeros that ends an archive, and read to the end of the file.

    ``tarfile`` takes the end of the file for the end of the archive, and so does not miss the
    files that were cut off. GNU tar, bsdtar and Python write two such blocks.
    """
    file: IO[bytes] | Any = opened.fileobj
    file.seek(opened.offset)
    if file.read(BLOCK_BYTES) != bytes(BLOCK_BYTES):
        raise UserError(
            f"{name} is cut off: it ends without the mark of an archive's end, and files may be "
            f"missing; upload it again, or {MAKE}"
        )
    # To the end, where compressed files have their checksum.
    while chunk := file.read(CHUNK_BYTES):
        if chunk.count(0) != len(chunk):
            raise UserError(
                f"{name} goes on after the archive's end, as archives that were put together do; "
                f"pack all files into one: {MAKE}"
            )


def _inside(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Refuse what lies outside; the filter itself would only cut a leading slash off."""
    if member.name.startswith("/"):
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, target)
