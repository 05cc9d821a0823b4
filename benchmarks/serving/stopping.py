"""Clients that ask without a pause while the server is stopped, and what became of each request."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable

HEADERS = {"Content-Type": "text/csv"}
LIMIT_SECONDS = 60


def asked_while_stopping(
    host: str, port: int, row: str, clients: int, seconds: float, stop: Callable[[], None]
) -> Counter[str]:
    """Ask, stop the server after some seconds, and go on until nothing listens.

    Half of the clients keep their connection, the others open one for each request.

    Returns
    -------
    Counter
        ``answered``; ``refused``, by a port on which nothing listens any more; and ``lost``: on a
        connection that the server had accepted, and then no whole answer with 200.
    """
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def ask(keep: bool) -> None:
        deadline = time.monotonic() + seconds + LIMIT_SECONDS
        found: Counter[str] = Counter()
        connection: http.client.HTTPConnection | None = None
        while not found["refused"] and time.monotonic() < deadline:
            try:
                if connection is None or connection.sock is None:
                    connection = http.client.HTTPConnection(host, port, timeout=30)
                    connection.connect()
            except OSError:
                found["refused"] += 1
                continue
            try:
                connection.request("POST", "/invocations", row, HEADERS)
                response = connection.getresponse()
                whole = bool(response.read()) and response.status == 200
            except (OSError, http.client.HTTPException):
                whole = False
            found["answered" if whole else "lost"] += 1
            if not keep or not whole:
                connection.close()
        with lock:
            counts.update(found)

    threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop()
    for thread in threads:
        thread.join()
    return counts
