"""Fuzzes a running server: mutated bodies of every type under random headers, from several threads.

    docker run -d --name fuzzed -p 127.0.0.1:8080:8080 -v MODEL:/opt/ml/model:ro IMAGE serve
    python tests/fuzz/invocations.py --container fuzzed --runs 100000 [--url URL] [--seed N]
        [--seconds N] [--corpus DIR]

What is looked for: a status that is no answer to a client's mistake (5xx), an error that is not
one line, a connection that breaks, an answer that takes more than a second even when it is asked
for again with nothing else to do, workers that are not the same at the end, and memory that
grows. The status is 1 if there is one.

The allocators of all threads take some 200,000 requests to come to their size; only what a second
and a third run add is growth.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.client
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "container")]

from options import Corpus, add_options  # noqa: E402
from server import Server  # noqa: E402
from server import add_options as add_server_options  # noqa: E402
from unit.data.valid_bodies import BODIES  # noqa: E402

SLOW_SECONDS = 1.0
# The share of the runs in which the allocators of all threads grow to their size.
WARM_UP = 0.5
ALLOWED = {200, 204, 400, 404, 405, 406, 413, 415}
TOKENS = (
    *(b",", b"\n", b"\r", b'"', b"[", b"{", b"}", b"]", b":", b"#", b"-", b"_", b"\xe2\x82"),
    *(b"nan", b"9" * 30, b"1e400", b"Ulm", b'"features":', b'"age"', b"\xff\xff", b"\0\0\0\x80"),
)
TYPES = (*BODIES, "csv", "libsvm", "text/x-libsvm", "application/jsonl", "image/png", "", "a/b/c")
TYPE_PARAMETERS = ("", "", "", "; charset=utf-16", ";header=present", ";label_size=2", "; =", ";")
ACCEPTS = (
    *("application/json", "text/csv", "application/jsonlines", "application/x-npy"),
    *("application/x-recordio-protobuf", "*/*", "text/*", "*", "image/png", "", ",", "a;q=", ";"),
)
QUALITIES = ("", "", ";q=0", ";q=0.5", ";q=1", ";q=2", ";q=nan", ";Q=.1", ";charset=utf-8")
ENCODINGS = ("gzip", "identity", "br", "GZIP", "gzip, gzip", "")
SAGEMAKER = (
    *("Custom-Attributes", "Inference-Id", "Target-Model", "Target-Variant", "Session-Id"),
    *("Enable-Explanations", "Inference-Component"),
)
LETTERS = "ab=,;:%\"'\\{}<>\t\x80\xff 0"


class Request(NamedTuple):
    """A request. A chunked body is sent in parts, without its length."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    chunked: bool

    def __str__(self) -> str:
        fields = (self.method, self.path, self.headers, "chunked" * self.chunked)
        return f"{fields} with {len(self.body)} bytes {self.body[:1000]!r}"

    def saved(self) -> bytes:
        """Return the request as bytes, for a corpus."""
        body = base64.b64encode(self.body).decode()
        return json.dumps({**self._asdict(), "body": body}).encode()


def restored(data: bytes) -> Request:
    """Return the request that a corpus holds as bytes."""
    fields = json.loads(data)
    return Request(**{**fields, "body": base64.b64decode(fields["body"])})


@dataclass
class Found:
    """The results of one thread, or of all threads."""

    statuses: Counter[int] = field(default_factory=Counter)
    worst: tuple[float, Request | None] = (0.0, None)
    slow: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Send all requests, and print the faults."""
    given = _arguments()
    server, corpus = Server(given.url, given.container), Corpus(given.corpus, "invocations")
    found, begun = Found(), time.monotonic()
    kept = [restored(data) for data in corpus.kept()]
    _add(found, _fuzz(server, iter(kept), random.Random(given.seed), corpus))
    for stage, part in enumerate((WARM_UP, 1 - WARM_UP)):
        deadline = begun + given.seconds * (WARM_UP if stage == 0 else 1)
        share = round(given.runs * part / given.threads)
        with ThreadPoolExecutor(given.threads) as pool:
            sources = [random.Random(f"{given.seed} {stage} {n}") for n in range(given.threads)]
            jobs = [
                pool.submit(_fuzz, server, _all_made(source, share, deadline), source, corpus)
                for source in sources
            ]
            for job in jobs:
                _add(found, job.result())
        if stage == 0:
            server.weigh(sum(found.statuses.values()))
    for request in found.slow:
        again = _timed(server, request)
        if again > SLOW_SECONDS:
            found.faults.append(f"{again:.2f} s alone too: {request}")
    found.faults += server.faults()
    print(
        f"{sum(found.statuses.values())} requests, {time.monotonic() - begun:.0f} s, statuses "
        f"{dict(sorted(found.statuses.items()))}, worst {found.worst[0] * 1e3:.0f} ms, "
        f"{len(found.slow)} over {SLOW_SECONDS:.0f} s, memory {server.memory() / 2**20:.1f} MiB, "
        f"{len(kept)} of the corpus, {len(found.faults)} faults"
    )
    for fault in found.faults[:20]:
        print(f"  {fault}")
    return bool(found.faults)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_server_options(parser)
    add_options(parser, runs=100_000)
    parser.add_argument("--threads", type=int, default=4)
    return parser.parse_args()


def _all_made(source: random.Random, runs: int, deadline: float) -> Iterator[Request]:
    for _ in range(runs):
        if time.monotonic() > deadline:
            return
        yield _made(source)


def _fuzz(
    server: Server, requests: Iterator[Request], source: random.Random, corpus: Corpus
) -> Found:
    found, connection = Found(), server.connect()
    for request in requests:
        begun = time.perf_counter()
        try:
            status, headers, body = _exchange(connection, request)
        except (OSError, http.client.HTTPException) as error:
            found.faults.append(f"{type(error).__name__}: {error} after {request}")
            connection.close()
            connection = server.connect()
            continue
        spent = time.perf_counter() - begun
        found.statuses[status] += 1
        corpus.saw((status, re.sub(rb"[^A-Za-z]+", b" ", body)[:40]), request.saved())
        if status not in ALLOWED:
            found.faults.append(f"{status} {body!r:.300} after {request}")
        # gunicorn itself answers with an HTML page if the request is not HTTP.
        one_line = len(body.splitlines()) == 1 or body.startswith(b"<html>")
        if status >= 400 and request.method != "HEAD" and not one_line:
            found.faults.append(f"{status} with {body!r:.300} after {request}")
        if spent > found.worst[0]:
            found.worst = (spent, request)
        if spent > SLOW_SECONDS:
            found.slow.append(request)
        if headers.get("Connection", "").lower() == "close" or source.random() < 0.001:
            connection.close()
    connection.close()
    return found


def _made(source: random.Random) -> Request:
    own = source.choice([*BODIES])
    body = _mutated(source.choice(BODIES[own]), source)
    headers = {}
    kind = own if source.random() < 0.7 else source.choice(TYPES)
    if source.random() < 0.95:
        headers["Content-Type"] = kind + source.choice(TYPE_PARAMETERS)
    if source.random() < 0.8:
        ranges = source.choices(ACCEPTS, k=source.choice((1, 1, 1, 2, 5)))
        headers["Accept"] = ",".join(name + source.choice(QUALITIES) for name in ranges)
    if source.random() < 0.1:
        headers["Content-Encoding"] = source.choice(ENCODINGS)
        if source.random() < 0.7:
            body = gzip.compress(body, 1)
            body = _mutated(body, source) if source.random() < 0.3 else body
    for name in source.sample(SAGEMAKER, source.choice((0, 0, 1, 3))):
        text = "".join(source.choices(LETTERS, k=source.choice((0, 3, 64, 1100))))
        text += "\x7f" * (source.random() < 0.01)  # which HTTP does not allow
        headers[f"X-Amzn-SageMaker-{name}"] = text
    method, path = "POST", "/invocations"
    if source.random() < 0.03:
        method = source.choice(("GET", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE"))
        # gunicorn hangs up after an answer that left more of a body unread.
        body = body[:1000]
        path = source.choice(("/invocations", "/ping", "/metrics", "/", "/models", "/%00", "/?a=%"))
    return Request(method, path, body, headers, source.random() < 0.2)


def _mutated(body: bytes, source: random.Random) -> bytes:
    for _ in range(source.choice((0, 0, 1, 1, 2, 4))):
        at = source.randrange(len(body) + 1)
        part = source.choice(TOKENS) if source.random() < 0.7 else source.randbytes(4)
        body = body[:at] + part + body[at + source.randrange(9) :]
    if source.random() < 0.01:
        body *= source.randrange(1, 1 + (200_000 // (len(body) + 1)))
    return body[: source.randrange(len(body) + 1)] if source.random() < 0.05 else body


def _exchange(
    connection: http.client.HTTPConnection, request: Request
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = (request.body[at : at + 1000] for at in range(0, len(request.body), 1000))
    connection.request(
        request.method,
        request.path,
        parts if request.chunked else request.body,
        request.headers,
    )
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def _timed(server: Server, request: Request) -> float:
    connection = server.connect()
    begun = time.perf_counter()
    _exchange(connection, request)
    connection.close()
    return time.perf_counter() - begun


def _add(found: Found, other: Found) -> None:
    found.statuses += other.statuses
    found.worst = max(found.worst, other.worst, key=lambda worst: worst[0])
    found.slow += other.slow
    found.faults += other.faults


if __name__ == "__main__":
    sys.exit(main())
