"""One client's connection: what it sends is collected, what it is sent never waits in a thread."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from threading import Lock
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.unreader import Unreader
from gunicorn.workers import gthread

from tabular.serving.limits import Limits
from tabular.serving.request_framing import Incoming

# What gunicorn reads at a time while it looks for the end of a head.
HEAD_READ_BYTES = 8192
LARGEST_READ_BYTES = 1 << 20
# How often a thread looks for room for the rest of its answer.
ROOM_SECONDS = 0.1


class State(Enum):
    """What a connection is doing."""

    IDLE = auto()  # no byte of a request has come
    COLLECTING = auto()
    WORKING = auto()  # a thread has it, or will
    SENDING = auto()  # the thread is done, and the client has not taken the whole answer
    CLOSING = auto()  # no more is sent; what the client still sends is dropped
    CLOSED = auto()


class Unsent:
    """Bytes of answers that wait for their clients, of all connections of a worker.

    Parameters
    ----------
    limit : int
        A thread waits for its client when more than this is kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = 0
        self._lock = Lock()
        self.short = False  # a thread waits

    def keep(self, count: int) -> bool:
        """Account for bytes, or return False when there is no room for them."""
        with self._lock:
            if self._kept and self._kept + count > self._limit:
                self.short = True
                return False
            self._kept += count
            return True

    def release(self, count: int) -> None:
        """Give room back."""
        with self._lock:
            self._kept -= count
            self.short = False


class ClientSocket(socket.socket):
    """A client's socket, whose ``sendall`` hands what the client does not take to the poll loop.

    Attributes
    ----------
    sending_until : float
        Deadline of the answer of which a part could not be sent at once; 0 without one.
    """

    sending_until = 0.0

    def __init__(self, accepted: socket.socket, unsent: Unsent, limits: Limits) -> None:
        super().__init__(accepted.family, accepted.type, fileno=accepted.detach())
        self._unsent, self._limits = unsent, limits
        self._kept: deque[memoryview] = deque()
        # For ``sendfile`` only, by which a script may answer with a file.
        seconds = struct.pack("ll", int(limits.answer_seconds), 0)
        with suppress(OSError):  # the client is gone
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)

    def setblocking(self, flag: bool) -> None:
        """Change the mode where it is another: gunicorn asks for each request."""
        if flag != self.getblocking():
            super().setblocking(flag)

    @property
    def kept(self) -> bool:
        """Whether bytes wait for the poll loop."""
        return bool(self._kept)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what the client takes now, and keep the rest; wait only where there is no room."""
        rest = memoryview(data)
        if not self._kept:
            rest = self._send(rest)
            if not rest:
                return
            if not self.sending_until:
                self.sending_until = time.monotonic() + self._limits.answer_seconds
        while rest and not self._unsent.keep(len(rest)):
            self._wait()
            if self.send_kept():
                rest = self._send(rest)
        if rest:
            self._kept.append(rest)

    def send_kept(self) -> bool:
        """Send of the kept bytes what the client takes now; return True when none is left."""
        while self._kept:
            first = self._kept[0]
            rest = self._send(first)
            self._unsent.release(len(first) - len(rest))
            if rest:
                self._kept[0] = rest
                return False
            self._kept.popleft()
        self.sending_until = 0.0
        return True

    def close(self) -> None:
        """Close the connection, and forget what was kept for it."""
        while self._kept:
            self._unsent.release(len(self._kept.pop()))
        super().close()

    def _send(self, data: memoryview) -> memoryview:
        try:
            return data[self.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return data

    def _wait(self) -> None:
        """Wait until the client takes more, or for a moment, after which there may be room."""
        waiting = select.poll()
        waiting.register(self, select.POLLOUT)
        waiting.poll(1000 * ROOM_SECONDS)
        if time.monotonic() > self.sending_until:
            raise ConnectionAbortedError(errno.EPIPE, "the client did not take its answer in time")


class CollectedBytes(Unreader):
    """What gunicorn's parser reads from: a request that has come whole, then end of file."""

    def __init__(self) -> None:
        super().__init__()
        self._data = memoryview(b"")
        self._at = 0

    def load(self, data: bytearray) -> None:
        """Hold another request."""
        self._data, self._at = memoryview(data), 0

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """Read ``size`` bytes, or some."""
        if size is None:
            size = min(max(read_ahead or 0, HEAD_READ_BYTES), LARGEST_READ_BYTES)
        part = bytes(self._data[self._at : self._at + size])
        self._at += len(part)
        return part

    def unread(self, data: bytes) -> None:
        """Go back by what was read last; the parser gives back nothing else."""
        self._at -= len(data)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read some bytes."""
        return self.read(None, size_hint)


class Connection(gthread.TConn):
    """gunicorn's connection, with the request that is coming.

    Attributes
    ----------
    begun : float
        When the first byte of the request came.
    deadline : float
        When the poll loop ends the state that the connection is in.
    held : int
        Bytes that the connection holds of requests.
    last, kept : bool
        No request can follow this one; the answer says that one may.
    first_line : bytes
        The request line of the request that a thread has.
    """

    sock: ClientSocket

    def __init__(self, cfg: Any, sock: ClientSocket, client: Any, server: Any) -> None:
        # As gunicorn's, which would make the socket non-blocking.
        self.cfg, self.sock, self.client, self.server = cfg, sock, client, server
        self.timeout = None
        self.parser: Any = None
        self.initialized = self.is_http2 = False
        self.data_ready = True
        self.state = State.IDLE
        self.begun = self.deadline = 0.0
        self._wakes_at = 1
        self.incoming: Incoming | None = None
        self.first_line = b""
        self.held = 0
        self.last = self.kept = False
        self.collected = CollectedBytes()

    def init(self) -> None:
        """Make the parser; called in a thread, for the first request."""
        if not self.initialized:
            self.initialized = True
            self.parser = get_parser(self.cfg, iter(()), self.client)
            self.parser.unreader = self.collected

    def wake_at(self, count: int) -> None:
        """Let the poll loop see the socket as readable only when so many bytes have come.

        Each read of a large body may have to wait for Python's lock; few are better than many.
        """
        if count != self._wakes_at:
            self._wakes_at = count
            with suppress(OSError):  # where the system has no such limit
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def load(self, incoming: Incoming) -> bytearray:
        """Hand a whole request to the parser; return the bytes that follow it."""
        self.first_line, self.last = incoming.first_line, incoming.last
        data, rest = incoming.take()
        self.collected.load(data)
        if self.parser is not None:
            self.parser.mesg = None  # the end of the request before is known
        return rest
