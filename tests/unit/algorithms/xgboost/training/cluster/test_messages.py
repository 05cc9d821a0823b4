"""Messages between hosts, over a pair of connected sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.training.cluster.messages import (
    HELLO_BYTES,
    Failure,
    GarbageError,
    Link,
    Message,
    decode,
    encode,
    shortened,
)
from tabular.contract.errors import AlgorithmError, PlatformError, UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield Link(ours), theirs
    ours.close()
    theirs.close()


def read_all(link: Link) -> None:
    for _ in range(100):
        link.receive()


@given(value=JSON, host=st.text())
def test_message_comes_as_it_was_sent(value: object, host: str) -> None:
    fields = {"host": host, "name": "x", "among": [], "value": value}
    assert decode(encode("value", **fields)) == {"type": "value", **fields}


@given(values=st.lists(JSON, min_size=1, max_size=5), size=st.integers(1, 40))
def test_messages_come_whole_however_they_are_cut(values: list[object], size: int) -> None:
    lines = [encode("value", host="a", name="x", among=[], value=value) for value in values]
    ours, theirs = socket.socketpair()
    link = Link(ours)
    content = b"".join(lines)
    come: list[Message] = []
    for start in range(0, len(content), size):
        theirs.sendall(content[start : start + size])
        come += link.receive()
    assert [message["value"] for message in come] == values
    ours.close()
    theirs.close()


def test_long_message_is_sent_as_the_connection_takes_it(
    pair: tuple[Link, socket.socket],
) -> None:
    link, other = pair
    reader = Link(other)
    reader.limit = 10 << 20
    link.send(encode("value", host="a", name="x", among=[], value="x" * (4 << 20)))
    assert link.has_unsent
    come: list[Message] = []
    while not come:
        link.flush()
        come = reader.receive()
    assert len(come[0]["value"]) == 4 << 20
    assert not link.has_unsent


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r",
        b"\xff\xfe",
        b"[" * 50_000,
        b"7",
        b"[]",
        b"{}",
        b'{"type":"unknown"}',
        b'{"type":"hello","host":"a"}',
        b'{"type":"hello","host":"a","hosts":"a"}',
        b'{"type":"failed","host":"a","kind":"UserError","reason":null}',
    ],
)
def test_what_is_no_message_is_garbage(line: bytes) -> None:
    with pytest.raises(GarbageError):
        decode(line)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_line_beyond_the_limit_is_garbage(pair: tuple[Link, socket.socket], end: bytes) -> None:
    link, other = pair
    other.sendall(b" " * (HELLO_BYTES + 1) + end)
    with pytest.raises(GarbageError, match="bytes without a line end"):
        read_all(link)


def test_last_words_come_before_the_end(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    other.sendall(encode("done"))
    other.close()
    assert [message["type"] for message in link.receive()] == ["done"]
    assert link.receive() == []
    assert link.lost == "closed"


def test_sending_to_the_dead_is_no_error(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    other.close()
    for _ in range(3):
        link.send(encode("alive"))
    assert not link.has_unsent


@pytest.mark.parametrize("kind", [UserError, AlgorithmError, PlatformError])
def test_failure_keeps_its_kind(kind: type[UserError]) -> None:
    message = decode(Failure("algo-2", kind.kind, "why").line)
    error = Failure(message["host"], message["kind"], message["reason"]).error
    assert type(error) is kind
    assert str(error) == "why"


def test_failure_of_an_unknown_kind_is_the_platforms() -> None:
    assert type(Failure("algo-2", "NoSuchError", "why").error) is PlatformError


def test_long_list_of_hosts_is_shortened() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened(map(str, range(10))) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
