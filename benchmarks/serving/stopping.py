"""Clients that send requests while a server is stopped, and the outcome of each request.

    python stopping.py PORT [--kept 6] [--pausing 4] [--fresh 6] [--path /invocations] [--row 1,2]

Run it in the network namespace of the server's container (``docker run --network container:ID``):
the engine's proxy of a published port accepts connections that the server refuses, and hides
resets. It needs the standard library only. It prints ``ready`` once every client has an answer,
and a JSON object once nothing listens any more:

answered
    Requests with a whole answer of status 200.
refused
    Connections that were refused. They are not lost: a client knows that the server has done
    nothing.
closed
    Kept connections that the server closed between two requests.
lost
    Requests on a connection that was accepted, without a whole answer of status 200; ``losses``
    says of which kind of client, what it saw, and on which request of its connection.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import threading
import time
from collections import Counter

ANSWER_SECONDS = 40
LIMIT_SECONDS = 90
# The longest pause between two requests of a client that pauses.
PAUSE_SECONDS = 0.2
KINDS = ("kept", "pausing", "fresh")


class Outcomes:
    """The outcomes of all clients."""

    def __init__(self, clients: int) -> None:
        self.counts: Counter[str] = Counter()
        self.losses: list[str] = []
        self.answered = threading.Barrier(clients + 1)
        self.lock = threading.Lock()


class IncompleteError(Exception):
    """The connection ended before the response was complete."""


def ask(connection: socket.socket, request: bytes) -> tuple[int, bool]:
    """Send a request and read the whole response.

    Returns
    -------
    (int, bool)
        The status, and whether the server keeps the connection.
    """
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _part(connection, received)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
    length = int(lengths[0])
    while len(body) < length:
        body += _part(connection, body)
    return int(lines[0].split()[1]), b"connection: close" not in lines


def _part(connection: socket.socket, before: bytes) -> bytes:
    part = connection.recv(1 << 16)
    if not part:
        raise IncompleteError(f"end of file after {len(before)} bytes of the answer")
    return part


def client(kind: str, port: int, request: bytes, outcomes: Outcomes) -> None:
    """Send requests until connections are refused."""
    found: Counter[str] = Counter()
    losses: list[str] = []
    deadline = time.monotonic() + LIMIT_SECONDS
    connection: socket.socket | None = None
    asked = 0
    while time.monotonic() < deadline:
        if connection is None:
            try:
                connection = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
            except OSError:
                found["refused"] += 1
                break
            asked = 0
        if kind == "pausing":
            time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - no secret
            if asked and select.select([connection], [], [], 0)[0]:
                found["closed"] += 1
                connection.close()
                connection = None
                continue
        asked += 1
        try:
            status, kept = ask(connection, request)
            if status != 200:
                raise IncompleteError(f"status {status}")
        except (OSError, IncompleteError) as error:
            found["lost"] += 1
            losses.append(f"{kind}: {type(error).__name__} {error} (request {asked})")
            kept = False
        else:
            found["answered"] += 1
            if found["answered"] == 1:
                outcomes.answered.wait(ANSWER_SECONDS)
        if not kept or kind == "fresh":
            connection.close()
            connection = None
    with outcomes.lock:
        outcomes.counts.update(found)
        outcomes.losses += losses


def main() -> None:
    """Run the clients."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    for kind, count in zip(KINDS, (6, 4, 6), strict=True):
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--path", default="/invocations")
    parser.add_argument("--row", default="1,2,3,4")
    given = parser.parse_args()
    request = (
        f"POST {given.path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(given.row)}\r\n\r\n{given.row}"
    ).encode()
    kinds = [kind for kind in KINDS for _ in range(getattr(given, kind))]
    outcomes = Outcomes(len(kinds))
    threads = [
        threading.Thread(target=client, args=(kind, given.port, request, outcomes))
        for kind in kinds
    ]
    for thread in threads:
        thread.start()
    outcomes.answered.wait(ANSWER_SECONDS)
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    kept = ("answered", "refused", "closed", "lost")
    counts = {name: outcomes.counts[name] for name in kept}
    print(json.dumps({**counts, "losses": outcomes.losses[:20]}), flush=True)


if __name__ == "__main__":
    main()
