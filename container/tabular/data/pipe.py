"""Pipe mode: a channel's objects through a FIFO that SageMaker writes into."""

from __future__ import annotations

import io
import logging
import os
import select
import struct
import time
from pathlib import Path
from typing import BinaryIO, cast

from tabular.contract.errors import PlatformError, UserError
from tabular.data.recordio.framing import LENGTH_BITS, MAGIC
from tabular.data.source import GZIP, ZSTANDARD, Source

log = logging.getLogger(__name__)

# The FIFO of an epoch may come late, and its first bytes too: S3 is listed and shuffled first.
WAIT_SECONDS = 600.0
LOOK_SECONDS = 0.1  # as AWS's own sample looks for the next FIFO
SAY_SECONDS = 30.0
# Each object of S3 in a frame of its own, when the channel has RecordWrapperType RecordIO.


def open_pipe(fifo: Path, wrapped: bool = False, wait_seconds: float = WAIT_SECONDS) -> BinaryIO:
    """Open a FIFO as soon as it is there and has a writer.

    Parameters
    ----------
    wrapped : bool
        Take the objects out of their RecordIO frames.

    Raises
    ------
    PlatformError
        No writer came within ``wait_seconds``.
    UserError
        The path is no FIFO.
    """
    started = time.monotonic()
    said = started
    descriptor = -1
    while True:
        if descriptor < 0 and fifo.exists():
            if not fifo.is_fifo():
                raise UserError(f"{fifo} is no FIFO, though the channel has TrainingInputMode Pipe")
            descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        # Without a writer there is no event at all; one that has left has hung up.
        if descriptor >= 0 and select.select([descriptor], [], [], 0)[0]:
            break
        now = time.monotonic()
        if now - started > wait_seconds:
            if descriptor >= 0:
                os.close(descriptor)
            missing = "no writer" if descriptor >= 0 else "no such FIFO"
            raise PlatformError(
                f"Pipe mode: {fifo} brought nothing for {wait_seconds:.0f} s ({missing}); check "
                "the channel's S3 prefix, or use FastFile"
            )
        if now - said > SAY_SECONDS:
            said = now
            log.info("waiting for %s since %.0f s", fifo, now - started)
        time.sleep(LOOK_SECONDS)
    os.set_blocking(descriptor, True)
    stream = os.fdopen(descriptor, "rb", buffering=1 << 20)
    if not wrapped:
        return stream
    return cast(BinaryIO, io.BufferedReader(_Objects(fifo, stream), 1 << 20))


class _Objects(io.RawIOBase):
    """The objects of a framed stream, unpacked, one behind the other, each with a line end."""

    def __init__(self, fifo: Path, stream: BinaryIO) -> None:
        self._fifo = fifo
        self._stream = stream
        self._number = 0
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        while not self._ready:
            fresh = self._next_object()
            if fresh is None:
                return 0
            self._ready = fresh
        taken = self._ready[: len(view)]
        self._ready = self._ready[len(taken) :]
        view[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _next_object(self) -> bytes | None:
        parts: list[bytes] = []
        while True:
            head = self._stream.read(8)
            if not head and not parts:
                return None
            flag, part = self._part(head)
            parts.append(part)
            # 0 is a whole object; 1, 2, 3 begin, continue and end one that holds the magic number.
            if flag in (0, 3):
                self._number += 1
                whole = self._unpacked(struct.pack("<I", MAGIC).join(parts))
                return whole if whole.endswith((b"\n", b"PAR1")) else whole + b"\n"

    def _unpacked(self, content: bytes) -> bytes:
        # Here and not after the objects are joined: no line end may stand between two of gzip.
        if not content.startswith((GZIP, ZSTANDARD)):
            return content
        with Source(self._fifo, lambda: io.BytesIO(content)).open() as stream:
            return stream.read()

    def _part(self, head: bytes) -> tuple[int, bytes]:
        magic, word = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != MAGIC:
            raise UserError(
                f"{self._fifo}: object {self._number + 1} has no RecordIO frame, though the "
                "channel has RecordWrapperType RecordIO; set it to None"
            )
        length = word & ((1 << LENGTH_BITS) - 1)
        padded = (length + 3) // 4 * 4
        content = self._stream.read(padded)
        if len(content) < padded:
            raise UserError(
                f"{self._fifo}: object {self._number + 1} breaks off after {len(content)} of "
                f"{length} bytes"
            )
        return word >> LENGTH_BITS, content[:length]
