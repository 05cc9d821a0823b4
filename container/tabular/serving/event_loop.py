"""The event loop's work on connections: collect requests, send responses, enforce deadlines.

Threads get only complete requests. The event loop sends what a client does not read at once. So a
client that sends or reads slowly, or not at all, occupies no thread.
"""

from __future__ import annotations

import selectors
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from gunicorn.workers import gthread

from tabular.serving.backpressure import Backpressure
from tabular.serving.connection import Connection, State, UnsentBytes
from tabular.serving.errors import event_loop_response
from tabular.serving.limits import (
    CLOSING_SECONDS,
    KEEPALIVE_SECONDS,
    LINGER_SECONDS,
    SHORT_SECONDS,
    Limits,
)
from tabular.serving.request_framing import LARGE_READ_BYTES, READ_BYTES, IncomingRequest, Progress

# How often deadlines are checked.
CHECK_SECONDS = 0.25
# Reads of large bodies in one round of the event loop. After each read the loop may wait for the
# GIL, 5 ms for each thread that computes; with more reads a ping would wait too long.
LARGE_READS = 2


class EventLoopWorker(gthread.ThreadWorker):
    """gunicorn's threaded worker, whose threads get complete requests only.

    A connection is in ``_waiting`` while the worker waits for its request, and in ``_leaving``
    while the worker sends the rest of a response or waits for the client to close. Both are in
    the order in which the wait began. While a thread has the connection, it is in neither.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.limits: Limits = self.app.limits
        self._unsent = UnsentBytes(self.limits.held_bytes)
        self._backpressure = Backpressure(self.limits.held_bytes)
        self._waiting: dict[Connection, None] = {}
        self._leaving: dict[Connection, None] = {}
        self._checked_at = 0.0
        self._large_reads = 0

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """Continue with a connection after a thread has answered its request."""
        conn.kept = not (fs.cancelled() or fs.exception()) and bool(fs.result()) and not conn.last
        self._backpressure.set_held(conn, len(conn.incoming.data) if conn.incoming else 0)
        if conn.sock.kept:
            conn.state, conn.deadline = State.SENDING, conn.sock.sending_until
            self._register(conn, self._leaving, selectors.EVENT_WRITE)
        else:
            self._go_on(conn)
        self._resume()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Keep a connection if gunicorn finds the same end of the body as the event loop."""
        try:
            return bool(keepalive) and bool(conn.parser.finish_body())
        except Exception:  # a broken chunk or trailer: the next request may begin anywhere
            return False

    def _register(
        self, conn: Connection, among: dict[Connection, None], event: int = selectors.EVENT_READ
    ) -> None:
        among[conn] = None
        self.poller.register(conn.sock, event, partial(self._ready, conn))

    def _unregister(self, conn: Connection) -> None:
        for among in (self._waiting, self._leaving):
            if conn in among:
                del among[conn]
                if not self._backpressure.forget(conn):
                    self.poller.unregister(conn.sock)

    def _ready(self, conn: Connection, _: object) -> None:
        # An earlier event of this round may have closed the connection.
        if conn.state is State.COLLECTING and conn.incoming and conn.incoming.is_large:
            # Connections that are skipped are ready in the next round too.
            self._large_reads += 1
            if self._large_reads <= LARGE_READS:
                self._collect(conn)
        elif conn.state in (State.IDLE, State.COLLECTING):
            self._collect(conn)
        elif conn.state is State.SENDING:
            self._send(conn)
        elif conn.state is State.CLOSING:
            self._drain(conn)

    def _await_request(self, conn: Connection) -> None:
        conn.state = State.IDLE
        seconds = KEEPALIVE_SECONDS if self.alive else LINGER_SECONDS
        conn.deadline = time.monotonic() + seconds

    def _collect(self, conn: Connection) -> None:
        """Read the bytes of a request that have arrived."""
        if conn.incoming is None:
            conn.incoming = IncomingRequest(self.limits.largest_body)
        incoming = conn.incoming
        try:
            part = conn.sock.recv(incoming.wanted, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._close(conn)
            return
        if part:
            incoming.data += part
            self._advance(conn, incoming)
        elif incoming.progress is Progress.BODY:
            incoming.cut()
            self._dispatch(conn, incoming)
        else:
            self._close(conn)

    def _advance(self, conn: Connection, incoming: IncomingRequest) -> None:
        """Examine the bytes of a request; give a complete request to the threads."""
        try:
            self._examine(conn, incoming)
        except Exception:  # one client must not end the loop of all clients
            self.log.exception("a request could not be collected; its connection is closed")
            self._close(conn)

    def _examine(self, conn: Connection, incoming: IncomingRequest) -> None:
        progress = incoming.advance()
        if progress is Progress.COMPLETE:
            self._dispatch(conn, incoming)
            return
        if conn.state is State.IDLE:
            conn.state, conn.begun = State.COLLECTING, time.monotonic()
            conn.deadline = conn.begun + self.limits.head_seconds
        self._backpressure.set_held(conn, len(incoming.data))
        if progress is Progress.HEAD_TOO_LONG:
            self._refuse(conn, 431)
        elif progress is Progress.BODY:
            conn.deadline = conn.begun + self.limits.request_seconds(incoming.body_bytes)
            if incoming.expects:
                incoming.expects = False
                with suppress(OSError):
                    conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            # Reset to 1 for the last part of a large body, which may be smaller than the mark.
            large = incoming.missing > READ_BYTES
            conn.wake_at(min(incoming.missing, LARGE_READ_BYTES) if large else 1)
            if incoming.is_large and conn in self._waiting and self._backpressure.must_pause(conn):
                self.poller.unregister(conn.sock)

    def _dispatch(self, conn: Connection, incoming: IncomingRequest) -> None:
        """Give a complete request to the threads."""
        self._unregister(conn)
        conn.wake_at(1)
        conn.state = State.WORKING
        rest = conn.load(incoming)
        self._backpressure.set_held(conn, len(incoming.data) + len(rest))
        conn.incoming = IncomingRequest(self.limits.largest_body, rest) if rest else None
        self.enqueue_req(conn)

    def _go_on(self, conn: Connection) -> None:
        """Wait for the next request of a connection, or close it."""
        if not conn.kept:
            self._leave(conn)
            return
        self._await_request(conn)
        if conn.incoming is not None:  # its first bytes arrived together with the last request
            self._advance(conn, conn.incoming)
        if conn.state in (State.IDLE, State.COLLECTING):
            self._register(conn, self._waiting)

    def _send(self, conn: Connection) -> None:
        try:
            if conn.sock.send_kept():
                self._unregister(conn)
                self._go_on(conn)
        except OSError:
            self._close(conn)

    def _refuse(self, conn: Connection, status: int) -> None:
        """Send an error without the application, and close the connection."""
        head = conn.incoming is None or conn.incoming.progress is Progress.HEAD
        answer = event_loop_response(status, conn.deadline - conn.begun, "head" if head else "body")
        with suppress(OSError):
            conn.sock.send(answer, socket.MSG_DONTWAIT)
        self._leave(conn)

    def _leave(self, conn: Connection, seconds: float = CLOSING_SECONDS) -> None:
        """Close a connection after the client has closed it, or after some seconds.

        Closing a socket that has unread bytes resets the connection, and the client may lose the
        response.
        """
        self._unregister(conn)
        self._backpressure.set_held(conn, 0)
        conn.incoming = None
        conn.wake_at(1)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.state, conn.deadline = State.CLOSING, time.monotonic() + seconds
        self._register(conn, self._leaving)

    def _drain(self, conn: Connection) -> None:
        try:
            if not conn.sock.recv(READ_BYTES, socket.MSG_DONTWAIT):
                self._close(conn)
        except BlockingIOError:
            pass
        except OSError:
            self._close(conn)

    def _close(self, conn: Connection) -> None:
        if conn.state is State.CLOSED:
            return
        self._unregister(conn)
        self._backpressure.set_held(conn, 0)
        conn.state = State.CLOSED
        conn.sock.close()
        self.nr_conns -= 1

    def _evict(self) -> bool:
        """Close the connection that has been waiting longest; return False if there is none."""
        conn = next(chain(self._waiting, self._leaving), None)
        if conn is None:
            return False
        self._close(conn)
        return True

    def _resume(self) -> None:
        """Resume reading paused connections if there is memory."""
        for conn in self._backpressure.resumable():
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._ready, conn))

    def _enforce_deadlines(self, now: float) -> None:
        for conn in [conn for conn in chain(self._waiting, self._leaving) if conn.deadline <= now]:
            if conn.state is State.COLLECTING:
                self._refuse(conn, 503 if self._backpressure.is_paused(conn) else 408)
            elif conn.state is State.IDLE:
                self._collect(conn)  # its request may have arrived just now
                if conn.state is State.IDLE:
                    self._leave(conn, CHECK_SECONDS)  # the client waits for no response
            else:
                self._close(conn)
        slowest = self._backpressure.slow_leader(now)
        if slowest is not None:
            self._refuse(slowest, 503)
        if self._unsent.short:
            self._drop_oldest_response(now)
        self._resume()

    def _drop_oldest_response(self, now: float) -> None:
        """Close the connection of the oldest unread response: a thread waits for memory."""
        oldest = now + self.limits.answer_seconds - SHORT_SECONDS
        for conn in self._leaving:
            if conn.state is State.SENDING and conn.deadline < oldest:
                self._close(conn)
                return
