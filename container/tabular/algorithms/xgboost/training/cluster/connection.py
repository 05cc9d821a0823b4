"""A connection to another host that sends and receives messages and never blocks."""

from __future__ import annotations

import socket
import time
from collections import deque

from tabular.algorithms.xgboost.training.cluster.messages import (
    MESSAGE_BYTES,
    Message,
    ProtocolError,
    decode,
)

# The longest message of a sender that has not said which host it is.
HELLO_BYTES = 64 << 10
# Read from one connection at a time, so that a long message does not delay the others.
BYTES_PER_READ = 1 << 20


class PeerConnection:
    """One connection to another host.

    Parameters
    ----------
    sock : socket
        A connected socket; it is made non-blocking.
    address : str
        The address of the other end, for the log.

    Attributes
    ----------
    host : str
        The host at the other end; empty until the host has sent its name.
    opened_at, received_at : float
        When the connection was opened, and when bytes last came (``time.monotonic``).
    silence_logged : bool
        Whether the log has a warning that this host is silent.
    most_bytes : int
        The longest message that is accepted.
    end_reason : str
        Why the connection ended; empty while it is open.
    """

    def __init__(self, sock: socket.socket, address: str = "") -> None:
        self.socket = sock
        self.address = address
        self.most_bytes = HELLO_BYTES
        self.host = ""
        self.opened_at = self.received_at = time.monotonic()
        self.silence_logged = False
        self.end_reason = ""
        self._received = bytearray()
        self._unsent: deque[memoryview] = deque()
        self._half_closed = False
        sock.setblocking(False)

    def identify(self, host: str, most_silence_seconds: float) -> None:
        """Set the host at the other end, and accept long messages from this host."""
        self.host = host
        self.most_bytes = MESSAGE_BYTES + (1 << 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            # The kernel must not end an interrupted connection before the host counts as dead.
            milliseconds = int(most_silence_seconds * 1000)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait until the socket accepts them."""
        return bool(self._unsent)

    def send(self, line: bytes) -> None:
        """Send a message, as much of it as the socket accepts now."""
        self._unsent.append(memoryview(line))
        self.flush()

    def flush(self) -> None:
        """Send waiting bytes, as many as the socket accepts now."""
        try:
            while self._unsent:
                sent = self.socket.send(self._unsent[0])
                rest = self._unsent.popleft()[sent:]
                if rest:
                    self._unsent.appendleft(rest)
        except BlockingIOError:
            pass
        except OSError:
            # The connection has ended: ``receive`` reads the last messages, and then the end.
            self._unsent.clear()

    def half_close(self) -> None:
        """Close the sending side once all bytes are sent; the other host then closes its side."""
        if self._unsent or self._half_closed:
            return
        self._half_closed = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.end_reason = self.end_reason or "closed"

    def receive(self) -> list[Message]:
        """Return the messages that have come; sets ``end_reason`` at the end of the connection.

        Raises
        ------
        ProtocolError
            A line is not a message, or is too long.
        """
        try:
            fresh = self.socket.recv(BYTES_PER_READ)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            fresh = b""
        except OSError as error:
            self.end_reason = error.strerror or str(error)
            return []
        if not fresh:
            self.end_reason = self.end_reason or "closed"
            return []
        self.received_at, self.silence_logged = time.monotonic(), False
        self._received += fresh
        if b"\n" not in fresh:
            self._require_length(len(self._received))
            return []
        *lines, rest = bytes(self._received).split(b"\n")
        self._received = bytearray(rest)
        for line in (*lines, rest):
            self._require_length(len(line))
        return [decode(line) for line in lines]

    def _require_length(self, length: int) -> None:
        if length > self.most_bytes:
            raise ProtocolError(f"{length} bytes without a line end")
