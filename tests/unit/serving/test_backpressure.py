"""The connections that are paused if the memory for bodies is used up."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from gunicorn.config import Config

from tabular.serving.backpressure import Backpressure
from tabular.serving.connection import ClientSocket, Connection, State, UnsentBytes
from tabular.serving.limits import LEADER_SECONDS, Limits

LIMIT = 1_000_000


@pytest.fixture
def conns() -> Iterator[list[Connection]]:
    """Three collecting connections that hold 900,000 bytes together."""
    with ExitStack() as stack:
        made = []
        for _ in range(3):
            ours, theirs = map(stack.enter_context, socket.socketpair())
            sock = stack.enter_context(ClientSocket(ours, UnsentBytes(LIMIT), Limits()))
            made.append(Connection(Config(), sock, theirs.getsockname(), ""))
            made[-1].state = State.COLLECTING
        yield made


@pytest.fixture
def held(conns: list[Connection]) -> Backpressure:
    held = Backpressure(LIMIT)
    for conn in conns:
        held.set_held(conn, 300_000)
    return held


def test_no_connection_is_paused_below_the_limit(
    held: Backpressure, conns: list[Connection]
) -> None:
    assert not any(map(held.must_pause, conns))


def test_leader_is_read_and_the_others_are_paused(
    held: Backpressure, conns: list[Connection]
) -> None:
    held.set_held(conns[0], 500_000)
    assert [held.must_pause(conn) for conn in conns] == [False, True, True]
    assert not held.must_pause(conns[0])
    assert held.resumable() == ()


def test_paused_connections_resume_below_the_limit(
    held: Backpressure, conns: list[Connection]
) -> None:
    held.set_held(conns[0], 500_000)
    assert [held.must_pause(conn) for conn in conns] == [False, True, True]
    conns[0].state = State.WORKING
    held.set_held(conns[0], 500_000)
    assert held.resumable() == ()
    held.set_held(conns[0], 0)
    assert [*held.resumable()] == conns[1:]


def test_another_connection_becomes_leader_if_no_request_frees_memory(
    held: Backpressure, conns: list[Connection]
) -> None:
    held.set_held(conns[0], 5_000_000)
    assert [held.must_pause(conn) for conn in conns] == [False, True, True]
    held.set_held(conns[1], 2_000_000)
    conns[0].state = State.CLOSED
    held.set_held(conns[0], 0)
    assert [*held.resumable()] == [conns[1]]
    assert held.is_paused(conns[2])


def test_slow_leader_is_found_if_others_are_paused(
    held: Backpressure, conns: list[Connection]
) -> None:
    held.set_held(conns[0], 5_000_000)
    late = time.monotonic() + LEADER_SECONDS + 1
    assert not held.must_pause(conns[0])
    assert held.slow_leader(late) is None
    assert held.must_pause(conns[1])
    assert held.slow_leader(time.monotonic()) is None
    assert held.slow_leader(late) is conns[0]
