"""The only thread that uses the control connections; other threads give callbacks to it."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from tabular.algorithms.xgboost.training.cluster.connection import PeerConnection
from tabular.algorithms.xgboost.training.cluster.messages import Message, ProtocolError

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5


class EventLoop:
    """Reads and writes all connections in a thread, and calls ``on_tick`` twice a second.

    The thread ends when ``exit_deadline`` is set and has passed, or when it is set and all
    connections are closed.

    Attributes
    ----------
    connections : list of PeerConnection
    exit_deadline : float or None
        When the thread ends at the latest (``time.monotonic``).
    """

    def __init__(self) -> None:
        self.connections: list[PeerConnection] = []
        self.exit_deadline: float | None = None
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._callbacks: deque[Callable[[], None]] = deque()
        self._wake_writer, self._wake_reader = socket.socketpair()
        for end in (self._wake_writer, self._wake_reader):
            end.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)

    # Called by other threads.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call a function in the thread."""
        self._callbacks.append(callback)
        with suppress(OSError):  # the pipe is full (the thread will wake up), or closed
            self._wake_writer.send(b"\0")

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, at most ``seconds``."""
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    # Called in the thread; subclasses override them.

    def on_message(self, connection: PeerConnection, message: Message) -> None:
        """Handle a message; not called once ``exit_deadline`` is set."""

    def on_disconnect(self, connection: PeerConnection) -> None:
        """Handle the end of a connection; not called once ``exit_deadline`` is set."""

    def on_accept(self, sock: socket.socket, address: str) -> None:
        """Handle a new connection to the port of ``start_listening``."""

    def on_tick(self, now: float) -> None:
        """Do the work that depends on the time, such as heartbeats."""

    def on_exit(self, error: Exception | None) -> None:
        """Handle the end of the thread; ``error`` is an unexpected exception in it."""

    # Called in the thread, by subclasses.

    def start_listening(self, listener: socket.socket) -> None:
        """Accept connections."""
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def stop_listening(self) -> None:
        """Close the port."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def add_connection(self, connection: PeerConnection) -> None:
        """Read and write a connection from now on."""
        self.connections.append(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def drop_connection(self, connection: PeerConnection) -> None:
        """Close a connection, and call ``on_disconnect``."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if self.exit_deadline is None:
            self.on_disconnect(connection)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            while self.exit_deadline is None or (
                self.connections and time.monotonic() < self.exit_deadline
            ):
                self._run_once()
        except Exception as unexpected:  # ``on_exit`` reports it: the main thread may wait
            log.exception("the control connection failed")
            error = unexpected
        self.stop_listening()
        for connection in self.connections:
            connection.socket.close()
        self._selector.close()
        self.on_exit(error)

    def _run_once(self) -> None:
        for connection in self.connections:
            write = selectors.EVENT_WRITE if connection.has_unsent else 0
            self._selector.modify(connection.socket, selectors.EVENT_READ | write, connection)
        for key, events in self._selector.select(TICK_SECONDS):
            if key.fileobj is self._wake_reader:
                self._run_callbacks()
            elif key.fileobj is self._listener:
                self._accept(self._listener)
            elif key.data in self.connections:
                if events & selectors.EVENT_WRITE:
                    key.data.flush()
                if events & selectors.EVENT_READ:
                    self._read(key.data)
        if self.exit_deadline is not None:
            for connection in self.connections:
                connection.half_close()
        self.on_tick(time.monotonic())

    def _run_callbacks(self) -> None:
        self._wake_reader.recv(4096)
        while self._callbacks:
            self._callbacks.popleft()()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the other end has closed it meanwhile
            sock, address = listener.accept()
            self.on_accept(sock, address[0])

    def _read(self, connection: PeerConnection) -> None:
        try:
            for message in connection.receive():
                if self.exit_deadline is None:
                    self.on_message(connection, message)
        except ProtocolError as error:
            connection.end_reason = f"it sent {error}"
        if connection.end_reason:
            self.drop_connection(connection)
