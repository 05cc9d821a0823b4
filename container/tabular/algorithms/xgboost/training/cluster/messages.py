"""What hosts say to each other: JSON objects, one a line, on a connection that never blocks."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tabular.contract.errors import AlgorithmError, JobError, PlatformError, UserError

# Whoever has not said its name yet is read no further than this.
HELLO_BYTES = 64 << 10
# The categories of a wide table fit; nobody can fill the memory of a host.
MESSAGE_BYTES = 64 << 20
# Of one connection at a time, so that a long message does not hold up the others.
BYTES_PER_READ = 1 << 20
# A reason is shown in 1,024 characters; more is not forwarded.
REASON_CHARACTERS = 2000

Message: TypeAlias = dict[str, Any]

# What each message holds beside its type.
FIELDS: Mapping[str, Mapping[str, type]] = {
    "hello": {"host": str, "hosts": list},
    "welcome": {},
    "refused": {"reason": str},
    "waiting": {"hosts": list},
    "gathered": {},
    "alive": {},
    "value": {"host": str, "name": str, "among": list, "value": object},
    "failed": {"host": str, "kind": str, "reason": str},
    "stopping": {"host": str},
    "done": {},
    "over": {},
}
KINDS: Mapping[str, type[JobError]] = {
    error.kind: error for error in (UserError, AlgorithmError, PlatformError)
}


class GarbageError(ValueError):
    """Bytes that are no message: a port scanner, or a program that is not ours."""


@dataclass(frozen=True)
class Failure:
    """Why a job ends: the host at fault, and what every other host reports."""

    host: str
    kind: str
    reason: str

    @property
    def error(self) -> JobError:
        """The failure as the other hosts raise it."""
        return KINDS.get(self.kind, PlatformError)(self.reason)

    @property
    def line(self) -> bytes:
        """The failure as a message."""
        return encode("failed", host=self.host, kind=self.kind, reason=self.reason)


def encode(kind: str, /, **fields: object) -> bytes:
    """Write one message, with its line end."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Read one message.

    Raises
    ------
    GarbageError
        It is no message of ``FIELDS``.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GarbageError(f"{line[:40]!r} is no JSON") from error
    fields = FIELDS.get(str(message.get("type"))) if isinstance(message, dict) else None
    if fields is None or not all(
        name in message and isinstance(message[name], expected) for name, expected in fields.items()
    ):
        raise GarbageError(f"{line[:40]!r} is no message")
    return dict(message)


class Link:
    """One connection to another host.

    Attributes
    ----------
    host : str
        Who is at the other end; empty until it has said so.
    address : str
        Where it comes from, for the log.
    since, heard : float
        When it began, and when it was heard of last (``time.monotonic``).
    quiet : bool
        Its silence has been logged.
    limit : int
        How long a message may be, in bytes.
    lost : str
        How the connection ended, empty while it is open.
    """

    def __init__(self, connection: socket.socket, address: str = "") -> None:
        self.connection = connection
        self.address = address
        self.limit = HELLO_BYTES
        self.host = ""
        self.since = self.heard = time.monotonic()
        self.quiet = False
        self.lost = ""
        self._received = bytearray()
        self._unsent: deque[memoryview] = deque()
        self._half_closed = False
        connection.setblocking(False)

    @property
    def has_unsent(self) -> bool:
        """Whether something waits until the connection takes it."""
        return bool(self._unsent)

    def send(self, line: bytes) -> None:
        """Send a message, as far as the connection takes it now."""
        self._unsent.append(memoryview(line))
        self.flush()

    def flush(self) -> None:
        """Send what has waited, as far as the connection takes it now."""
        try:
            while self._unsent:
                sent = self.connection.send(self._unsent[0])
                rest = self._unsent.popleft()[sent:]
                if rest:
                    self._unsent.appendleft(rest)
        except BlockingIOError:
            pass
        except OSError:
            # Gone; reading finds its last words, and then the end.
            self._unsent.clear()

    def half_close(self) -> None:
        """Say that nothing more comes, once all has been sent; the other side closes then."""
        if self._unsent or self._half_closed:
            return
        self._half_closed = True
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.lost = self.lost or "closed"

    def receive(self) -> list[Message]:
        """Read what has come; sets ``lost`` at the end of the connection.

        Raises
        ------
        GarbageError
            It is no message, or one that is too long.
        """
        try:
            fresh = self.connection.recv(BYTES_PER_READ)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            fresh = b""
        except OSError as error:
            self.lost = error.strerror or str(error)
            return []
        if not fresh:
            self.lost = self.lost or "closed"
            return []
        self.heard, self.quiet = time.monotonic(), False
        self._received += fresh
        if b"\n" not in fresh:
            self._check_length(len(self._received))
            return []
        *lines, rest = bytes(self._received).split(b"\n")
        self._received = bytearray(rest)
        for line in (*lines, rest):
            self._check_length(len(line))
        return [decode(line) for line in lines]

    def _check_length(self, length: int) -> None:
        if length > self.limit:
            raise GarbageError(f"{length} bytes without a line end")


def shortened(names: Iterable[str], most: int = 8) -> str:
    """List hosts, at most so many by name."""
    every = list(names)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest
