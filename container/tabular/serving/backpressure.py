"""Backpressure: stop reading large bodies while the memory for bodies is used up."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tabular.serving.connection import Connection, State
from tabular.serving.limits import LEADER_SECONDS
from tabular.serving.request_framing import READ_BYTES


class Backpressure:
    """Counts the bytes of requests that a worker holds, and pauses connections beyond a limit.

    Beyond the limit, large bodies are not read until other requests are answered. When no large
    request is being answered, one of the paused connections, the leader, is read to its end.

    Parameters
    ----------
    limit : int
        In bytes. A leader exceeds the limit by at most one body.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._answering: set[Connection] = set()
        self._paused: dict[Connection, None] = {}
        self._leader: Connection | None = None
        self._leader_until = 0.0

    def set_held(self, conn: Connection, count: int) -> None:
        """Set how many bytes of requests a connection holds."""
        self._total += count - conn.held
        conn.held = count
        if conn.state is State.WORKING and count > READ_BYTES:
            self._answering.add(conn)
        else:
            self._answering.discard(conn)

    def must_pause(self, conn: Connection) -> bool:
        """Return whether the caller must stop reading a connection with a large body."""
        if self._total <= self._limit or conn is self._current_leader():
            return False
        if self._lead(conn):
            return False
        self._paused[conn] = None
        return True

    def is_paused(self, conn: Connection) -> bool:
        """Return whether a connection is paused."""
        return conn in self._paused

    def forget(self, conn: Connection) -> bool:
        """Remove a connection from the paused ones; return whether it was paused."""
        if conn in self._paused:
            del self._paused[conn]
            return True
        return False

    def resumable(self) -> Sequence[Connection]:
        """Remove and return the paused connections that can be read again."""
        if not self._paused:
            return ()
        if self._total <= self._limit:
            conns = [*self._paused]
            self._paused.clear()
            return conns
        first = next(iter(self._paused))
        if self._current_leader() is None and self._lead(first):
            del self._paused[first]
            return (first,)
        return ()

    def slow_leader(self, now: float) -> Connection | None:
        """Return the leader if it has exceeded its time and other connections are paused."""
        leader = self._current_leader()
        return leader if leader and self._paused and now > self._leader_until else None

    def _current_leader(self) -> Connection | None:
        leader = self._leader
        return leader if leader and leader.state is State.COLLECTING else None

    def _lead(self, conn: Connection) -> bool:
        if self._answering or self._current_leader() is not None:
            return False
        self._leader, self._leader_until = conn, time.monotonic() + LEADER_SECONDS
        return True
