"""A thread that alone touches the connections; the other threads give it things to do."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from tabular.algorithms.xgboost.training.cluster.messages import GarbageError, Link, Message

TICK_SECONDS = 0.5


class Loop:
    """Reads and writes every connection, and looks at the clock twice a second.

    It goes on until ``leave_by`` is set and either is over or all connections are closed.
    """

    def __init__(self, log: logging.Logger) -> None:
        self.log = log
        self.links: list[Link] = []
        self.leave_by: float | None = None
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._posted: deque[Callable[[], None]] = deque()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)

    # From the other threads.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, action: Callable[[], None]) -> None:
        """Have something done in the thread."""
        self._posted.append(action)
        with suppress(OSError):  # it is awake already, or has ended
            self._wake.send(b"\0")

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    # In the thread, for those who build on it.

    def handle(self, link: Link, message: Message) -> None:
        """Act on a message; not called any more once ``leave_by`` is set."""

    def lost(self, link: Link) -> None:
        """Act on the end of a connection; not called any more once ``leave_by`` is set."""

    def came(self, connection: socket.socket, address: str) -> None:
        """Act on a connection to the port that ``listen_on`` was given."""

    def tick(self, now: float) -> None:
        """Act on the clock."""

    def left(self, error: Exception | None) -> None:
        """Act on the end of the thread; ``error`` is a fault of ours."""

    def listen_on(self, listener: socket.socket) -> None:
        """Accept connections."""
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def listen_no_more(self) -> None:
        """Close the port."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def add(self, link: Link) -> None:
        """Read and write a connection from now on."""
        self.links.append(link)
        self._selector.register(link.connection, selectors.EVENT_READ, link)

    def drop(self, link: Link) -> None:
        """Close a connection; it is then ``lost``."""
        if link not in self.links:
            return
        self.links.remove(link)
        self._selector.unregister(link.connection)
        link.connection.close()
        if self.leave_by is None:
            self.lost(link)

    # In the thread.

    def _run(self) -> None:
        error: Exception | None = None
        try:
            while self.leave_by is None or (self.links and time.monotonic() < self.leave_by):
                self._turn()
        except Exception as fault:  # whoever waits must hear of it
            self.log.exception("the control connection failed")
            error = fault
        self.listen_no_more()
        for link in self.links:
            link.connection.close()
        self._selector.close()
        self.left(error)

    def _turn(self) -> None:
        for link in self.links:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.has_unsent else 0)
            self._selector.modify(link.connection, events, link)
        for key, events in self._selector.select(TICK_SECONDS):
            if key.fileobj is self._woken:
                self._act()
            elif key.fileobj is self._listener:
                self._accept(self._listener)
            elif key.data in self.links:
                if events & selectors.EVENT_WRITE:
                    key.data.flush()
                if events & selectors.EVENT_READ:
                    self._read(key.data)
        if self.leave_by is not None:
            for link in self.links:
                link.half_close()
        self.tick(time.monotonic())

    def _act(self) -> None:
        self._woken.recv(4096)
        while self._posted:
            self._posted.popleft()()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # gone again
            connection, address = listener.accept()
            self.came(connection, address[0])

    def _read(self, link: Link) -> None:
        try:
            for message in link.receive():
                if self.leave_by is None:
                    self.handle(link, message)
        except GarbageError as garbage:
            link.lost = f"it sent something that is no message: {garbage}"
        if link.lost:
            self.drop(link)
