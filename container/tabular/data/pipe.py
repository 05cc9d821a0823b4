"""Pipe mode: read the S3 objects of a channel from a FIFO that SageMaker writes."""

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

# SageMaker lists and shuffles the S3 objects before it creates the FIFO and writes the first bytes.
WAIT_SECONDS = 600.0
POLL_SECONDS = 0.1  # the interval of AWS's own sample
LOG_SECONDS = 30.0


def open_pipe(fifo: Path, wrapped: bool = False, wait_seconds: float = WAIT_SECONDS) -> BinaryIO:
    """Open a FIFO when it exists and has a writer.

    Parameters
    ----------
    wrapped : bool
        The channel has ``RecordWrapperType`` RecordIO: each S3 object is in a RecordIO frame,
        which is removed.

    Raises
    ------
    PlatformError
        The FIFO had no writer within ``wait_seconds``.
    UserError
        The path is not a FIFO.
    """
    started = time.monotonic()
    logged = started
    descriptor = -1
    while True:
        if descriptor < 0 and fifo.exists():
            if not fifo.is_fifo():
                raise UserError(
                    f"{fifo} is no FIFO, but the channel has TrainingInputMode Pipe; set it to "
                    "File or FastFile"
                )
            descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        # select() reports the FIFO when it has bytes, or when a writer has closed it.
        if descriptor >= 0 and select.select([descriptor], [], [], 0)[0]:
            break
        now = time.monotonic()
        if now - started > wait_seconds:
            if descriptor >= 0:
                os.close(descriptor)
            missing = "no writer" if descriptor >= 0 else "no such FIFO"
            raise PlatformError(
                f"Pipe mode: {fifo} brought nothing for {wait_seconds:.0f} s ({missing}); check "
                "the channel's S3 prefix, or use FastFile mode"
            )
        if now - logged > LOG_SECONDS:
            logged = now
            log.info("waiting for %s for %.0f s", fifo, now - started)
        time.sleep(POLL_SECONDS)
    os.set_blocking(descriptor, True)
    stream = os.fdopen(descriptor, "rb", buffering=1 << 20)
    if not wrapped:
        return stream
    return cast(BinaryIO, io.BufferedReader(_Objects(fifo, stream), 1 << 20))


class _Objects(io.RawIOBase):
    """A stream of S3 objects without RecordIO frames, each decompressed and ended by a line end."""

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
            # 0 is a whole object. An object that contains the magic number is split there into
            # parts: 1 is the first, 2 a middle, 3 the last part.
            if flag in (0, 3):
                self._number += 1
                whole = self._unpacked(struct.pack("<I", MAGIC).join(parts))
                return whole if whole.endswith((b"\n", b"PAR1")) else whole + b"\n"

    def _unpacked(self, content: bytes) -> bytes:
        # Decompressed before the line end is added, which would break a gzip stream.
        if not content.startswith((GZIP, ZSTANDARD)):
            return content
        with Source(self._fifo, lambda: io.BytesIO(content)).open() as stream:
            return stream.read()

    def _part(self, head: bytes) -> tuple[int, bytes]:
        magic, word = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != MAGIC:
            raise UserError(
                f"{self._fifo}: object {self._number + 1} has no RecordIO frame, but the "
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
