"""The event loop and gunicorn find the same end of a request, in parts of any size."""

from __future__ import annotations

import random

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser

from tabular.serving.connection import CollectedBytes
from tabular.serving.request_framing import DRAINED_BYTES, HEAD_BYTES, IncomingRequest, Progress

LARGEST = 100
POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /ping HTTP/1.1\r\n\r\n"
GUNICORN = Config()  # only read; making one takes longer than parsing a request
WHOLE: dict[str, bytes] = {
    "no body": NEXT,
    "empty line before": b"\r\n" + NEXT,
    "length": POST + b"Content-Length: 5\r\n\r\n12345",
    "length of 0": POST + b"Content-Length: 0\r\n\r\n",
    "length in small letters": POST + b"content-length:5 \r\n\r\n12345",
    "body with the end of a head": POST + b"Content-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
    "chunks": CHUNKED + b"5\r\n12345\r\n3;a=b\r\n678\r\n0\r\n\r\n",
    "no chunk": CHUNKED + b"0\r\n\r\n",
    "trailers": CHUNKED + b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "largest": POST + b"Content-Length: 100\r\n\r\n" + b"x" * 100,
}


def collected(data: bytes, step: int = 1 << 30, largest: int = LARGEST) -> IncomingRequest:
    """Add ``step`` bytes at a time, until the request is complete."""
    incoming = IncomingRequest(largest)
    for at in range(0, len(data), step):
        incoming.data += data[at : at + step]
        if incoming.advance() not in (Progress.HEAD, Progress.BODY):
            incoming.data += data[at + step :]
            break
    return incoming


def parsed(data: bytearray) -> tuple[bytes, bytes]:
    """Let gunicorn read a request; return its body and the bytes left."""
    source = CollectedBytes()
    source.load(data)
    parser = get_parser(GUNICORN, iter(()), ("127.0.0.1", 1))
    parser.unreader = source
    body = next(parser).body.read()
    return body, source.read(1 << 30)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
def test_end_of_a_request_is_that_of_gunicorn(name: str, step: int) -> None:
    incoming = collected(WHOLE[name] + NEXT, step)
    assert incoming.progress is Progress.COMPLETE
    assert not incoming.last
    request, rest = incoming.take()
    assert rest == NEXT
    assert parsed(request)[1] == b""


@pytest.mark.parametrize("name", WHOLE)
def test_request_without_its_last_byte_is_incomplete(name: str) -> None:
    assert collected(WHOLE[name][:-1]).progress in (Progress.HEAD, Progress.BODY)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 1_0",
        b"Content-Length: " + b"1" * 5000,
        b"Content-Length:\r\n 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_invalid_head_is_passed_to_gunicorn(head: bytes) -> None:
    incoming = collected(POST + head + b"\r\n\r\n12345")
    assert incoming.progress is Progress.COMPLETE
    assert incoming.last


@pytest.mark.parametrize(
    "chunks", [b"x\r\n", b"-1\r\n", b"\r\n", b"3\r\n12345\r\n0\r\n\r\n", b"0" * 9000]
)
def test_invalid_chunks_are_passed_to_gunicorn(chunks: bytes) -> None:
    incoming = collected(CHUNKED + chunks)
    assert incoming.progress is Progress.COMPLETE
    assert incoming.last


@pytest.mark.parametrize("step", [1, 50, 1 << 20])
@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 300\r\n\r\n" + b"x" * 300,
        CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\nC8\r\n" + b"x" * 200 + b"\r\n0\r\n\r\n",
        CHUNKED + b"12C\r\n" + b"x" * 300 + b"\r\n0\r\nA: b\r\n\r\n",
    ],
    ids=["length", "chunks", "one chunk"],
)
def test_body_above_the_limit_is_dropped_and_its_length_is_kept(sent: bytes, step: int) -> None:
    incoming = collected(sent + NEXT, step)
    assert incoming.progress is Progress.COMPLETE
    assert not incoming.last
    request, rest = incoming.take()
    assert bytes(request).endswith(b"\r\n\r\n")
    assert b"\r\nContent-Length: 300\r\n" in request
    assert b"chunked" not in request
    assert rest == NEXT


def test_body_far_too_large_ends_the_connection() -> None:
    incoming = collected(POST + b"Content-Length: 999999999\r\n\r\n")
    block = bytes(1 << 20)
    for _ in range((DRAINED_BYTES >> 20) + 1):
        incoming.data += block
        incoming.advance()
        assert len(incoming.data) < 1000
    assert incoming.progress is Progress.COMPLETE
    assert incoming.last
    assert b"\r\nConnection: close\r\n" in incoming.data


def test_100_continue_is_expected_once_and_removed_from_the_head() -> None:
    incoming = collected(POST + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
    assert incoming.expects
    assert b"Expect" not in incoming.data
    incoming.data += b"12345"
    assert incoming.advance() is Progress.COMPLETE
    assert parsed(incoming.take()[0]) == (b"12345", b"")


def test_body_above_the_limit_gets_no_100_continue() -> None:
    head = POST + b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n"
    assert not collected(head).expects


def test_head_without_end_is_too_long() -> None:
    data = POST + b"X: " + b"x" * HEAD_BYTES
    assert collected(data).progress is Progress.HEAD_TOO_LONG


def test_bare_line_feed_is_passed_to_gunicorn() -> None:
    assert collected(b"GET / HTTP/1.1\nHost: x\n", step=3).last


TOKENS = (
    *(b"\r\n", b"\n", b"\r", b" ", b":", b",", b"0", b"5", b"chunked", b"\0", b";", b"\r\n\r\n"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"),
    *(b"HTTP/1.0", b"\t", b"\x85", b"\x0b", b"Transfer-Encoding: identity\r\n"),
)


@pytest.mark.parametrize("seed", range(4))
def test_gunicorn_never_finds_another_end_of_a_request(seed: int) -> None:
    """Mutated requests: gunicorn accepts a request only with the end that the event loop found."""
    source = random.Random(seed)
    accepted = 0
    for _ in range(3000):
        data = source.choice([*WHOLE.values()])
        for _ in range(source.choice((1, 1, 2, 3))):
            at = source.randrange(len(data) + 1)
            data = data[:at] + source.choice(TOKENS) + data[at + source.randrange(4) :]
        incoming = collected(data + NEXT, source.choice((1, 3, 1000)))
        if incoming.progress is not Progress.COMPLETE or incoming.last:
            continue
        request, _ = incoming.take()
        try:
            _, left = parsed(request)
        except Exception:  # refused; the connection is then closed
            continue
        assert left == b"", data
        accepted += 1
    assert accepted > 300
