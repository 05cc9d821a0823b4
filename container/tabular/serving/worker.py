"""gunicorn's worker: accepts connections, and stops without losing a request."""

from __future__ import annotations

import errno
import selectors
import socket
import time

from tabular.serving.connection import ClientSocket, Connection, State
from tabular.serving.event_loop import CHECK_SECONDS, EventLoopWorker
from tabular.serving.limits import LINGER_SECONDS
from tabular.serving.listening import admit_all, refuse_new
from tabular.serving.thread_pools import MultiModelPools, RequestPools

# A stopping worker waits this long for handshakes in progress; the network path to SageMaker's
# proxy is short.
HANDSHAKE_SECONDS = 0.2
# For each CONNECTIONS_PER_ACCEPT open connections, a worker accepts one more connection at a time,
# up to MOST_ACCEPTED.
CONNECTIONS_PER_ACCEPT, MOST_ACCEPTED = 16, 64
# Incomplete requests get a 408 this long before the graceful timeout ends.
REFUSAL_SECONDS = 2
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NOTHING_TO_ACCEPT = frozenset({errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO})


class PooledWorker(EventLoopWorker):
    """gunicorn's threaded worker with pools of threads, deadlines and a graceful stop.

    Attributes
    ----------
    pools : type
        The thread pools that answer requests.
    """

    pools: type[RequestPools] = RequestPools

    def get_thread_pool(self) -> RequestPools:
        """Create the thread pools; gunicorn documents this method as the one to override."""
        return self.pools(self.cfg.threads)

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests in flight."""
        queue = self.method_queue
        self.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
        for listener in self.sockets:
            admit_all(listener)
        while self.alive and self.is_parent_alive():
            self.set_accept_enabled(self._can_accept())
            self._poll()
        self._stop()

    def accept(self, listener: socket.socket) -> None:
        """Accept connections; at the limit, close the connections that have been idle longest.

        Few connections are accepted one at a time, which spreads them over the workers. With many
        connections, several are accepted at a time, which saves rounds of the event loop.
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
            if error.errno in OUT_OF_RESOURCES:
                # An immediate retry would keep the event loop busy.
                if not self._evict():
                    self.set_accept_enabled(False)
            elif error.errno not in NOTHING_TO_ACCEPT:
                raise
            return False
        return True

    def _admit(self, listener: socket.socket) -> None:
        accepted, client = listener.accept()
        sock = ClientSocket(accepted, self._unsent, self.limits)
        admit_all(sock)
        conn = Connection(self.cfg, sock, client, listener.getsockname())
        self.nr_conns += 1
        self._await_request(conn)
        # Most clients send their request at once: no registration with the poller is needed.
        self._collect(conn)
        if conn.state in (State.IDLE, State.COLLECTING):
            self._register(conn, self._waiting)

    def _can_accept(self) -> bool:
        return self.nr_conns < self.worker_connections or bool(self._waiting)

    def _poll(self) -> None:
        self.notify()
        self._large_reads = 0
        self.wait_for_and_dispatch_events(CHECK_SECONDS)
        now = time.monotonic()
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self._enforce_deadlines(now)

    def _stop(self) -> None:
        """Accept the connections that wait, answer the requests that still arrive, close all."""
        for listener in self.sockets:
            refuse_new(listener)
        now = time.monotonic()
        handshakes_end, end = now + HANDSHAKE_SECONDS, now + self.cfg.graceful_timeout
        # A 408 is better than a response after the graceful timeout, which no client gets.
        latest = {State.IDLE: now + LINGER_SECONDS, State.COLLECTING: end - REFUSAL_SECONDS}
        for conn in self._waiting:
            conn.deadline = min(conn.deadline, latest[conn.state])
        listening = True
        while now < end and (listening or self.nr_conns):
            self._poll()
            now = time.monotonic()
            if listening and now >= handshakes_end:
                self._close_listeners()
                listening = False
            elif listening:
                self.set_accept_enabled(self._can_accept())
        for conn in [*self._waiting, *self._leaving]:
            self._close(conn)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _close_listeners(self) -> None:
        for listener in self.sockets:
            while self._admit_waiting(listener):
                pass
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()

    def _admit_waiting(self, listener: socket.socket) -> bool:
        try:
            self._admit(listener)
        except OSError as error:  # the client has disconnected, or no connection waits
            return error.errno in (errno.ECONNABORTED, errno.EINTR, errno.EPROTO)
        return True


class MultiModelWorker(PooledWorker):
    """The worker of a multi-model endpoint."""

    pools = MultiModelPools
