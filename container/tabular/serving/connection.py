"""A client's connection: buffers for the request that arrives and the response to be sent.

No thread waits for a client: the event loop reads requests and sends the rest of responses.
"""

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
from tabular.serving.request_framing import IncomingRequest

# gunicorn's parser reads this many bytes at a time while it looks for the end of the head.
HEAD_READ_BYTES = 8192
LARGEST_READ_BYTES = 1 << 20
# The interval at which a thread checks whether there is memory for the rest of its response.
MEMORY_CHECK_SECONDS = 0.1


class State(Enum):
    """The state of a connection."""

    IDLE = auto()  # no byte of a request has arrived
    COLLECTING = auto()  # a request is arriving
    WORKING = auto()  # a thread answers the request, or the request waits for a thread
    SENDING = auto()  # the thread is done, and the client has not read the whole response
    CLOSING = auto()  # the response is sent; bytes that the client still sends are dropped
    CLOSED = auto()


class UnsentBytes:
    """Counts the bytes of responses that a worker keeps for its clients.

    Parameters
    ----------
    limit : int
        In bytes; beyond it a thread waits for its client.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = 0
        self._lock = Lock()
        self.short = False  # whether a thread waits for memory

    def keep(self, count: int) -> bool:
        """Count bytes, or return False where they would exceed the limit."""
        with self._lock:
            if self._kept and self._kept + count > self._limit:
                self.short = True
                return False
            self._kept += count
            return True

    def release(self, count: int) -> None:
        """Count bytes as sent."""
        with self._lock:
            self._kept -= count
            self.short = False


class ClientSocket(socket.socket):
    """A client's socket, whose ``sendall`` leaves the bytes that do not fit to the event loop.

    Attributes
    ----------
    sending_until : float
        Deadline of a response that could not be sent at once, otherwise 0.
    """

    sending_until = 0.0

    def __init__(self, accepted: socket.socket, unsent: UnsentBytes, limits: Limits) -> None:
        super().__init__(accepted.family, accepted.type, fileno=accepted.detach())
        self._unsent, self._limits = unsent, limits
        self._kept: deque[memoryview] = deque()
        # For ``sendfile`` only, which sends a script's response from a file.
        seconds = struct.pack("ll", int(limits.answer_seconds), 0)
        with suppress(OSError):  # the client has disconnected
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)

    def setblocking(self, flag: bool) -> None:
        """Change the mode if it differs: gunicorn calls this for each request."""
        if flag != self.getblocking():
            super().setblocking(flag)

    @property
    def kept(self) -> bool:
        """Whether the event loop has bytes to send."""
        return bool(self._kept)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what fits into the socket and keep the rest; wait only if memory is used up."""
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
        """Send kept bytes as far as they fit into the socket; return True when none is left."""
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
        """Close the connection and drop the kept bytes."""
        while self._kept:
            self._unsent.release(len(self._kept.pop()))
        super().close()

    def _send(self, data: memoryview) -> memoryview:
        try:
            return data[self.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return data

    def _wait(self) -> None:
        """Wait until the socket is writable, at most MEMORY_CHECK_SECONDS."""
        waiting = select.poll()
        waiting.register(self, select.POLLOUT)
        waiting.poll(1000 * MEMORY_CHECK_SECONDS)
        if time.monotonic() > self.sending_until:
            raise ConnectionAbortedError(
                errno.EPIPE, "the client did not read its response in time"
            )


class CollectedBytes(Unreader):
    """The input of gunicorn's parser: one complete request, then the end of file."""

    def __init__(self) -> None:
        super().__init__()
        self._data = memoryview(b"")
        self._at = 0

    def load(self, data: bytearray) -> None:
        """Set the next request."""
        self._data, self._at = memoryview(data), 0

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """Read ``size`` bytes, or fewer at the end; without a size, some bytes."""
        if size is None:
            size = min(max(read_ahead or 0, HEAD_READ_BYTES), LARGEST_READ_BYTES)
        part = bytes(self._data[self._at : self._at + size])
        self._at += len(part)
        return part

    def unread(self, data: bytes) -> None:
        """Go back by the bytes that were read last; the parser unreads no others."""
        self._at -= len(data)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read some bytes."""
        return self.read(None, size_hint)


class Connection(gthread.TConn):
    """gunicorn's connection, with the request that is arriving.

    Attributes
    ----------
    begun : float
        When the first byte of the request arrived.
    deadline : float
        When the event loop stops waiting: it refuses the request, or closes the connection.
    held : int
        Bytes of requests that the connection holds.
    last : bool
        No request can follow this one on the connection.
    kept : bool
        The response keeps the connection open for another request.
    first_line : bytes
        The request line of the request that a thread answers.
    """

    sock: ClientSocket

    def __init__(self, cfg: Any, sock: ClientSocket, client: Any, server: Any) -> None:
        # gunicorn's own __init__ would make the socket non-blocking.
        self.cfg, self.sock, self.client, self.server = cfg, sock, client, server
        self.timeout = None
        self.parser: Any = None
        self.initialized = self.is_http2 = False
        self.data_ready = True
        self.state = State.IDLE
        self.begun = self.deadline = 0.0
        self._wakes_at = 1
        self.incoming: IncomingRequest | None = None
        self.first_line = b""
        self.held = 0
        self.last = self.kept = False
        self.collected = CollectedBytes()

    def init(self) -> None:
        """Create the parser; called in a thread, for the first request."""
        if not self.initialized:
            self.initialized = True
            self.parser = get_parser(self.cfg, iter(()), self.client)
            self.parser.unreader = self.collected

    def wake_at(self, count: int) -> None:
        """Make the socket readable for the event loop only when it has ``count`` bytes.

        Each read of a large body may wait for the GIL: few large reads are better than many.
        """
        if count != self._wakes_at:
            self._wakes_at = count
            with suppress(OSError):  # some systems have no SO_RCVLOWAT
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def load(self, incoming: IncomingRequest) -> bytearray:
        """Give a complete request to the parser; return the bytes that follow it."""
        self.first_line, self.last = incoming.first_line, incoming.last
        data, rest = incoming.take()
        self.collected.load(data)
        if self.parser is not None:
            self.parser.mesg = None  # the parser does not search for the last request's end
        return rest
