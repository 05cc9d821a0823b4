"""gunicorn's threaded worker, whose poll loop collects requests and hands over whole ones.

No thread is held by a client that is slow to send its request or to take its answer, or that
sends nothing: the poll loop waits for all of them, each with a deadline.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from gunicorn.workers import gthread

from tabular.serving.connection import ClientSocket, Connection, State, Unsent
from tabular.serving.framing import LARGE_READ_BYTES, READ_BYTES, Incoming, Progress
from tabular.serving.lanes import Lanes, ModelLanes
from tabular.serving.limits import (
    CLOSING_SECONDS,
    KEEPALIVE_SECONDS,
    LINGER_SECONDS,
    SHORT_SECONDS,
    Limits,
)
from tabular.serving.listening import admit_all, refuse_new
from tabular.serving.refusals import refusal
from tabular.serving.shortage import HeldBytes

# How often deadlines are looked at.
LOOK_SECONDS = 0.25
# In a stopping worker, for the handshakes that have begun; SageMaker and its container are near.
HANDSHAKE_SECONDS = 0.2
# A worker accepts one more at a time for so many that it has.
CONNECTIONS_PER_ACCEPT, MOST_ACCEPTED = 16, 64
# Of large bodies in one round of the poll loop, lest they keep a ping waiting: after each read the
# loop may have to wait for Python's lock, 5 ms for each thread that computes.
LARGE_READS = 2
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NOTHING_TO_ACCEPT = frozenset({errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO})


class LaneWorker(gthread.ThreadWorker):
    """gunicorn's threaded worker with lanes, deadlines, and an end that loses no request."""

    lanes: type[Lanes] = Lanes

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.limits: Limits = self.app.limits
        self._unsent = Unsent(self.limits.held_bytes)
        self._held = HeldBytes(self.limits.held_bytes)
        # In the order in which they began to wait.
        self._waiting: dict[Connection, None] = {}
        self._leaving: dict[Connection, None] = {}
        self._looked_at = 0.0
        self._large_reads = 0

    def get_thread_pool(self) -> Lanes:
        """Make the pool; gunicorn documents this method as the place to choose another."""
        return self.lanes(self.cfg.threads)

    def run(self) -> None:
        """Serve until SIGTERM, then finish what has begun."""
        queue = self.method_queue
        self.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
        for listener in self.sockets:
            admit_all(listener)
        while self.alive and self.is_parent_alive():
            self.set_accept_enabled(self._has_room())
            self._poll()
        self._stop()

    def accept(self, listener: socket.socket) -> None:
        """Accept connections; where there is no room, close those that wait longest.

        Few connections are spread over the workers one by one; many are not to wait for each other.
        """
        for _ in range(min(1 + self.nr_conns // CONNECTIONS_PER_ACCEPT, MOST_ACCEPTED)):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        if self.nr_conns >= self.worker_connections and not self._evict():
            self.set_accept_enabled(False)
            return False
        try:
            self._admit(listener)
        except OSError as error:
            if error.errno in NO_ROOM:
                # Not to be tried again at once: the loop would spin.
                if not self._evict():
                    self.set_accept_enabled(False)
            elif error.errno not in NOTHING_TO_ACCEPT:
                raise
            return False
        return True

    def _admit(self, listener: socket.socket) -> None:
        accepted, client = listener.accept()
        sock = ClientSocket(accepted.family, accepted.type, fileno=accepted.detach())
        conn = Connection(self.cfg, sock, client, listener.getsockname())
        self.nr_conns += 1
        try:
            admit_all(sock)
            sock.prepare(self._unsent, self.limits)
        except OSError:
            self._close(conn)
            return
        self._await_request(conn)
        # Before it is registered: most send at once, and never need to be.
        self._collect(conn)
        if conn.state in (State.IDLE, State.COLLECTING):
            self._register(conn, self._waiting)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """Go on with a connection after a thread has answered its request."""
        conn.kept = not (fs.cancelled() or fs.exception()) and bool(fs.result()) and not conn.last
        self._held.change(conn, len(conn.incoming.data) if conn.incoming else 0)
        if conn.sock.kept:
            conn.state, conn.deadline = State.SENDING, conn.sock.sending_until
            self._register(conn, self._leaving, selectors.EVENT_WRITE)
        else:
            self._go_on(conn)
        self._resume()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Keep a connection, whatever of the body was read: all of it has come."""
        return bool(keepalive)

    def _has_room(self) -> bool:
        return self.nr_conns < self.worker_connections or bool(self._waiting)

    def _poll(self) -> None:
        self.notify()
        self._large_reads = 0
        self.wait_for_and_dispatch_events(LOOK_SECONDS)
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._enforce_deadlines(now)

    def _register(
        self, conn: Connection, among: dict[Connection, None], event: int = selectors.EVENT_READ
    ) -> None:
        among[conn] = None
        self.poller.register(conn.sock, event, partial(self._ready, conn))

    def _unregister(self, conn: Connection) -> None:
        for among in (self._waiting, self._leaving):
            if conn in among:
                del among[conn]
                if not self._held.forget(conn):
                    self.poller.unregister(conn.sock)

    def _ready(self, conn: Connection, _: object) -> None:
        # In the midst of a round another event may have ended this connection.
        if conn.state is State.COLLECTING and conn.incoming and conn.incoming.is_large:
            # Those that are left out are ready in the next round too.
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
        """Read what has come of a request."""
        if conn.incoming is None:
            conn.incoming = Incoming(self.limits.largest_body)
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

    def _advance(self, conn: Connection, incoming: Incoming) -> None:
        """Look at what has come of a request, and hand it over once it is whole."""
        progress = incoming.come()
        if progress is Progress.WHOLE:
            self._dispatch(conn, incoming)
            return
        if conn.state is State.IDLE:
            conn.state, conn.begun = State.COLLECTING, time.monotonic()
            conn.deadline = conn.begun + self.limits.head_seconds
        self._held.change(conn, len(incoming.data))
        if progress is Progress.HEAD_TOO_LONG:
            self._refuse(conn, 431)
        elif progress is Progress.BODY:
            conn.deadline = conn.begun + self.limits.request_seconds(incoming.body_bytes)
            if incoming.expects:
                incoming.expects = False
                with suppress(OSError):
                    conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if incoming.missing > READ_BYTES:
                conn.wake_at(min(incoming.missing, LARGE_READ_BYTES))
            if incoming.is_large and conn in self._waiting and self._held.pauses(conn):
                self.poller.unregister(conn.sock)

    def _dispatch(self, conn: Connection, incoming: Incoming) -> None:
        """Hand a whole request to the threads."""
        self._unregister(conn)
        conn.wake_at(1)
        conn.state = State.WORKING
        rest = conn.load(incoming)
        self._held.change(conn, len(incoming.data) + len(rest))
        conn.incoming = Incoming(self.limits.largest_body, rest) if rest else None
        self.enqueue_req(conn)

    def _go_on(self, conn: Connection) -> None:
        """Wait for the next request of a connection, or close it."""
        if not conn.kept:
            self._leave(conn)
            return
        self._await_request(conn)
        if conn.incoming is not None:  # its bytes came together with the last ones
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
        """Answer without the application, and close."""
        with suppress(OSError):
            conn.sock.send(refusal(status, conn.deadline - conn.begun), socket.MSG_DONTWAIT)
        self._leave(conn)

    def _leave(self, conn: Connection, seconds: float = CLOSING_SECONDS) -> None:
        """Close, but not before the client has read its answer and closed too.

        To close a socket that has unread bytes resets the connection, and the client may lose
        the answer.
        """
        self._unregister(conn)
        self._held.change(conn, 0)
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
        self._unregister(conn)
        self._held.change(conn, 0)
        conn.state = State.CLOSED
        conn.sock.close()
        self.nr_conns -= 1

    def _evict(self) -> bool:
        """Close the connection that has waited longest; return False when none waits."""
        conn = next(chain(self._waiting, self._leaving), None)
        if conn is None:
            return False
        self._close(conn)
        return True

    def _resume(self) -> None:
        """Read on where reading was paused for want of memory."""
        for conn in self._held.resumable():
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._ready, conn))

    def _enforce_deadlines(self, now: float) -> None:
        for conn in [conn for conn in chain(self._waiting, self._leaving) if conn.deadline <= now]:
            if conn.state is State.COLLECTING:
                self._refuse(conn, 503 if self._held.is_paused(conn) else 408)
            elif conn.state is State.IDLE:
                self._collect(conn)  # what came in this very moment
                if conn.state is State.IDLE:
                    self._leave(conn, LOOK_SECONDS)  # no answer is on its way
            else:
                self._close(conn)
        slowest = self._held.slow_leader(now)
        if slowest is not None:
            self._refuse(slowest, 503)
        if self._unsent.short:
            self._make_way(now)
        self._resume()

    def _make_way(self, now: float) -> None:
        """Give up the oldest answer that its client does not take, for a thread waits for room."""
        oldest = now + self.limits.answer_seconds - SHORT_SECONDS
        for conn in self._leaving:
            if conn.state is State.SENDING and conn.deadline < oldest:
                self._close(conn)
                return

    def _stop(self) -> None:
        """Let in who stands at the door, answer what still comes, and close everything."""
        for listener in self.sockets:
            refuse_new(listener)
        now = time.monotonic()
        door, end = now + HANDSHAKE_SECONDS, now + self.cfg.graceful_timeout
        for conn in self._waiting:
            # An answer after the end of the grace would be too late; a refusal is better.
            last = LINGER_SECONDS if conn.state is State.IDLE else self.cfg.graceful_timeout - 2
            conn.deadline = min(conn.deadline, now + last)
        while now < end and (self._accepting or self.nr_conns):
            self._poll()
            now = time.monotonic()
            if self._accepting and now >= door:
                self._close_listeners()
            elif now < door:
                self.set_accept_enabled(self._has_room())
        for conn in [*self._waiting, *self._leaving]:
            self._close(conn)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _close_listeners(self) -> None:
        for listener in self.sockets:
            with suppress(OSError):  # that none is left
                while True:
                    self._admit(listener)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()


class ModelLaneWorker(LaneWorker):
    """The worker of a multi-model endpoint."""

    lanes = ModelLanes
