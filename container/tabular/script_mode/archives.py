"""Unpack an archive of code. Check first that it is complete, fits on the disk and is safe."""

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

# The SDK's name for the archive of a source folder.
SUBMITTED = "sourcedir.tar.gz"
MAKE = f"make it with: tar -czf {SUBMITTED} -C your_folder ."
BLOCK_BYTES = 512
CHUNK_BYTES = 1 << 20
# tarfile keeps about 1 kB per member. Code has thousands of members.
MOST_MEMBERS = 200_000
# Errors of tarfile and its decompressors for bytes that are not an archive.
BROKEN = (
    *(tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(ValueError, ArithmeticError, LookupError, TypeError, RecursionError),
)


def unpack(archive: Path, target: Path, name: str) -> None:
    """Check a tar archive by reading it to the end, and unpack it. It may be compressed.

    Parameters
    ----------
    target : Path
        An existing folder.
    name : str
        The name of the archive in messages.

    Raises
    ------
    UserError
        The archive is truncated, has data after its end, needs more space than the disk has, or a
        member would be outside of the folder.
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
        raise UserError(f"{name} is not a complete tar archive ({error}); {MAKE}") from error


def _check_size(opened: tarfile.TarFile, target: Path, name: str) -> None:
    free = shutil.disk_usage(target).free
    size = 0
    for count, member in enumerate(opened, 1):
        # A file takes whole blocks.
        size += -(-member.size // BLOCK_BYTES) * BLOCK_BYTES
        if size > free:
            raise UserError(
                f"{name} unpacks to more than {size // MEBIBYTE} MiB, and the disk has "
                f"{free // MEBIBYTE} MiB; pack only the code, and give data as a channel"
            )
        if count > MOST_MEMBERS:
            raise UserError(
                f"{name} holds more than {MOST_MEMBERS} files; pack only the code, and give data "
                "as a channel"
            )


def _check_end(opened: tarfile.TarFile, name: str) -> None:
    """Check that the archive ends with a block of zeros, and that nothing follows.

    ``tarfile`` accepts the end of the file as the end of the archive, so it does not detect an
    archive that is truncated between two members. GNU tar, bsdtar and Python end an archive with
    two blocks of zeros.
    """
    file: IO[bytes] | Any = opened.fileobj
    file.seek(opened.offset)
    if file.read(BLOCK_BYTES) != bytes(BLOCK_BYTES):
        raise UserError(
            f"{name} is cut off: it has no end-of-archive mark, so files may be missing; upload it "
            f"again, or {MAKE}"
        )
    # Read to the end, where compressed files have their checksum.
    while chunk := file.read(CHUNK_BYTES):
        if chunk.count(0) != len(chunk):
            raise UserError(
                f"{name} goes on after the archive's end, as concatenated archives do; "
                f"pack all files into one archive: {MAKE}"
            )


def _inside(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Refuse members outside of the folder. ``data_filter`` would only strip a leading slash."""
    if member.name.startswith("/"):
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, target)
