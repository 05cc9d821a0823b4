"""Open the bytes of a channel: a file, compressed or not, or a FIFO of Pipe mode."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tabular.contract.errors import UserError

# What reading raises when a file is gone, or its compressed content is broken (gzip: the last two).
BROKEN_STREAM = (OSError, EOFError, zlib.error)
GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SIGNATURE_BYTES = 4


@dataclass(frozen=True)
class Source:
    """One file or FIFO of a channel.

    Attributes
    ----------
    path : Path
        The file, or the name for messages.
    start : callable or None
        Opens a stream that can be read only once, such as a FIFO. None opens ``path``.
    """

    path: Path
    start: Callable[[], BinaryIO] | None = None

    @property
    def is_file(self) -> bool:
        """Whether ``path`` is a file that can be opened several times."""
        return self.start is None

    def open(self) -> BinaryIO:
        """Open for reading from the start; decompress gzip and Zstandard by their first bytes.

        Raises
        ------
        UserError
            The file can't be opened. Reading may raise ``BROKEN_STREAM``; ``unreadable`` makes a
            UserError of it.
        """
        try:
            raw = self.start() if self.start else self.path.open("rb")
            magic = raw.read(SIGNATURE_BYTES)
        except OSError as error:
            raise unreadable(self.path, error) from error
        stream: BinaryIO
        if raw.seekable():
            raw.seek(0)
            stream = raw
        else:
            stream = cast(BinaryIO, io.BufferedReader(_Rest(magic, raw), 1 << 20))
        if magic.startswith(GZIP):
            return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
        if magic.startswith(ZSTANDARD):
            import pyarrow

            return cast(BinaryIO, pyarrow.CompressedInputStream(stream, "zstd"))
        return stream


class _Rest(io.RawIOBase):
    """A stream that can't seek: the bytes already read from it, then the rest."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        taken = self._head[: len(view)] or self._stream.read(len(view))
        self._head = self._head[len(taken) :] if self._head else b""
        view[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._stream.close()
        super().close()


def unreadable(path: Path, error: Exception) -> UserError:
    """Return the error for a file that is gone, forbidden, or has broken compressed content."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UserError(f"{path} can't be read ({reason}); repair the file, or remove it")
