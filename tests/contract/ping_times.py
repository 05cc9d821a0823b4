"""A client in a process of its own: prints how long each of some pings took, in seconds."""

from __future__ import annotations

import http.client
import json
import sys
import time


def ping_seconds(port: int, count: int, pause: float) -> list[float]:
    """Ping on a new connection each time, as SageMaker does; a failed ping counts as infinite."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            client.request("GET", "/ping")
            answered = client.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            answered = False
        taken.append(time.perf_counter() - began if answered else float("inf"))
        client.close()
        time.sleep(pause)
    return taken


if __name__ == "__main__":
    print(json.dumps(ping_seconds(int(sys.argv[1]), int(sys.argv[2]), 0.1)))
