"""Fuzzes HTTP itself: requests with mutated bytes, in pieces, several on one connection.

    python tests/fuzz/raw_http.py --container fuzzed --runs 20000 [--url URL] [--seed N]
        [--seconds N] [--corpus DIR]

What is looked for: a status from 500 on but 501 and 505, an answer that is no HTTP, a connection
that is neither answered nor closed within some seconds, and what ``server.py`` looks for at the
end. The status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import random
import re
import socket
import sys
import time
from collections import Counter
from contextlib import suppress

from options import Corpus, add_options
from server import Server
from server import add_options as add_server_options

ANSWER_SECONDS = 5.0
# 501: an unknown transfer coding; 505: another version of HTTP.
ALLOWED_FAULTS = {501, 505}
POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SEEDS = (
    b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + b"Content-Length: 7\r\n\r\n1,2,3,4",
    CHUNKED + b"3\r\n1,2\r\n4;a=b\r\n,3,4\r\n0\r\nA: b\r\n\r\n",
    POST + b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n1,2,3,4",
    b"POST /models HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    b"GET / HTTP/1.0\r\n\r\n",
)
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b"\0", b"\xff", b"%", b"/", b"?", b"#"),
    *(b"\r\n\r\n", b"0", b"5", b"-1", b"+5", b"ffffffff", b"9" * 20, b"9" * 5000, b"x" * 5000),
    *(b"Content-Length: 5\r\n", b"Content-Length: 9999999\r\n", b"chunked", b"gzip", b"identity"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"Upgrade: h2c\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
)
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


def main() -> int:
    """Send all requests, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_server_options(parser)
    add_options(parser, runs=20_000)
    given = parser.parse_args()
    server, corpus = Server(given.url, given.container), Corpus(given.corpus, "raw_http")
    source = random.Random(given.seed)
    statuses: Counter[str] = Counter()
    faults: list[str] = []
    kept = list(corpus.kept())
    begun, worst = time.monotonic(), 0.0
    for number in range(len(kept) + given.runs):
        if time.monotonic() - begun > given.seconds:
            break
        data = kept[number] if number < len(kept) else _made(source)
        start = time.monotonic()
        answer, fault = _exchange(server.address, data, source)
        spent = time.monotonic() - start
        worst = max(worst, spent)
        found = [int(status) for status in STATUS.findall(answer)]
        statuses.update(map(str, found or ["closed"]))
        corpus.saw(tuple(found[:4]), data)
        if any(status >= 500 and status not in ALLOWED_FAULTS for status in found):
            fault = f"{answer[:300]!r}"
        if answer and not STATUS.match(answer):
            fault = f"no HTTP: {answer[:300]!r}"
        if fault:
            faults.append(f"{fault} after {data!r:.2000}")
    faults += server.faults()
    print(
        f"raw HTTP: {sum(statuses.values())} answers, {time.monotonic() - begun:.0f} s, "
        f"{dict(sorted(statuses.items()))}, worst {worst * 1e3:.0f} ms, {len(kept)} of the "
        f"corpus, {len(faults)} faults"
    )
    for fault in faults[:20]:
        print(f"  {fault}")
    return bool(faults)


def _made(source: random.Random) -> bytes:
    data = b"".join(source.choices(SEEDS, k=source.choice((1, 1, 1, 2, 4))))
    for _ in range(source.choice((1, 1, 2, 3, 6))):
        at = source.randrange(len(data) + 1)
        part = source.choice(TOKENS) if source.random() < 0.8 else source.randbytes(3)
        data = data[:at] + part + data[at + source.randrange(6) :]
    return data[: source.randrange(len(data))] if source.random() < 0.1 else data


def _exchange(address: str, data: bytes, source: random.Random) -> tuple[bytes, str]:
    """Send bytes in pieces, end the sending, and read until the server closes."""
    host, _, port = address.partition(":")
    answer = b""
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end
            for piece in _pieces(data, source):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        try:
            while part := client.recv(1 << 16):
                answer += part
        except TimeoutError:
            return answer, f"neither answered nor closed within {ANSWER_SECONDS:.0f} s"
        except ConnectionResetError:
            pass
    return answer, ""


def _pieces(data: bytes, source: random.Random) -> list[bytes]:
    cuts = sorted(source.randrange(len(data) + 1) for _ in range(source.choice((0, 0, 1, 3))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


if __name__ == "__main__":
    sys.exit(main())
