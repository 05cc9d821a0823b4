"""Messages over a pair of connected sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.training.cluster.connection import HELLO_BYTES, PeerConnection
from tabular.algorithms.xgboost.training.cluster.messages import Message, ProtocolError, encode

from .test_messages import JSON


@pytest.fixture
def pair() -> Iterator[tuple[PeerConnection, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield PeerConnection(ours), theirs
    ours.close()
    theirs.close()


def read_all(connection: PeerConnection) -> None:
    for _ in range(100):
        connection.receive()


@given(values=st.lists(JSON, min_size=1, max_size=5), size=st.integers(1, 40))
def test_messages_are_complete_in_parts_of_any_size(values: list[object], size: int) -> None:
    lines = [encode("value", host="a", name="x", among=[], value=value) for value in values]
    ours, theirs = socket.socketpair()
    connection = PeerConnection(ours)
    content = b"".join(lines)
    come: list[Message] = []
    for start in range(0, len(content), size):
        theirs.sendall(content[start : start + size])
        come += connection.receive()
    assert [message["value"] for message in come] == values
    ours.close()
    theirs.close()


def test_long_message_is_sent_in_parts(
    pair: tuple[PeerConnection, socket.socket],
) -> None:
    connection, other = pair
    reader = PeerConnection(other)
    reader.most_bytes = 10 << 20
    connection.send(encode("value", host="a", name="x", among=[], value="x" * (4 << 20)))
    assert connection.has_unsent
    come: list[Message] = []
    while not come:
        connection.flush()
        come = reader.receive()
    assert len(come[0]["value"]) == 4 << 20
    assert not connection.has_unsent


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_line_beyond_the_limit_is_refused(
    pair: tuple[PeerConnection, socket.socket], end: bytes
) -> None:
    connection, other = pair
    other.sendall(b" " * (HELLO_BYTES + 1) + end)
    with pytest.raises(ProtocolError, match="bytes without a line end"):
        read_all(connection)


def test_last_messages_are_received_before_the_end(
    pair: tuple[PeerConnection, socket.socket],
) -> None:
    connection, other = pair
    other.sendall(encode("done"))
    other.close()
    assert [message["type"] for message in connection.receive()] == ["done"]
    assert connection.receive() == []
    assert connection.end_reason == "closed"


def test_sending_to_a_closed_connection_raises_nothing(
    pair: tuple[PeerConnection, socket.socket],
) -> None:
    connection, other = pair
    other.close()
    for _ in range(3):
        connection.send(encode("alive"))
    assert not connection.has_unsent
