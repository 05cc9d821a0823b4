"""Memory for bodies that are coming: who must wait when it is used up."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tabular.serving.connection import Connection, State
from tabular.serving.limits import LEADER_SECONDS
from tabular.serving.request_framing import READ_BYTES


class Backpressure:
    """Bytes of requests that a worker holds, and the connections that it does not read meanwhile.

    Beyond the limit large bodies are read no further until others are answered. When none is
    being answered, one of them, the leader, is read to its end all the same.

    Parameters
    ----------
    limit : int
        A leader goes beyond it by the size of one body.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._answering: set[Connection] = set()
        self._paused: dict[Connection, None] = {}
        self._leader: Connection | None = None
        self._leader_until = 0.0

    def change(self, conn: Connection, count: int) -> None:
        """Note how many bytes a connection holds now."""
        self._total += count - conn.held
        conn.held = count
        if conn.state is State.WORKING and count > READ_BYTES:
            self._answering.add(conn)
        else:
            self._answering.discard(conn)

    def pauses(self, conn: Connection) -> bool:
        """Tell whether a large body must wait; the caller stops to read it then."""
        if self._total <= self._limit or conn is self._current_leader():
            return False
        if self._lead(conn):
            return False
        self._paused[conn] = None
        return True

    def is_paused(self, conn: Connection) -> bool:
        """Tell whether a connection is not read for want of memory."""
        return conn in self._paused

    def forget(self, conn: Connection) -> bool:
        """Drop a connection from those that wait; return whether it was among them."""
        if conn in self._paused:
            del self._paused[conn]
            return True
        return False

    def resumable(self) -> Sequence[Connection]:
        """Take the connections that can be read again from those that wait."""
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
        """Find the leader, if it is slow and others wait for it."""
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
