"""The server that is fuzzed: its processes, their memory, and whether it answers."""

from __future__ import annotations

import argparse
import http.client
import subprocess
from urllib.parse import urlsplit

# The allocators of all threads reach their size after about 200,000 requests.
GROWTH_BYTES, UNSETTLED_GROWTH_BYTES = 10 << 20, 64 << 20
SETTLED_REQUESTS = 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--url`` and ``--container``."""
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--container", help="its name: whether the same workers live at the end")


class Server:
    """A server at a URL, in a container or not."""

    def __init__(self, url: str, container: str | None) -> None:
        self.address = urlsplit(url).netloc
        self._container = container
        self._before = self.workers()
        self._memory: int | None = None
        self._allowed = UNSETTLED_GROWTH_BYTES

    def connect(self, seconds: float = 30) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection(self.address, timeout=seconds)

    def get(self, path: str) -> tuple[int, bytes]:
        """Send a request on a new connection."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def workers(self) -> list[str]:
        """Ids of the processes below the container's first."""
        if not self._container:
            return []
        command = ["docker", "exec", self._container, "cat", "/proc/1/task/1/children"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def weigh(self, requests: int) -> None:
        """Record the memory after some requests; later growth is measured from it."""
        self._memory = self.memory()
        self._allowed = GROWTH_BYTES if requests > SETTLED_REQUESTS else UNSETTLED_GROWTH_BYTES

    def memory(self) -> int:
        """Memory of the server's processes, in bytes."""
        name = "tabular_resident_memory_bytes "
        lines = self.get("/metrics")[1].decode().splitlines()
        return next(int(line.removeprefix(name)) for line in lines if line.startswith(name))

    def faults(self) -> list[str]:
        """Return the faults of the server at the end."""
        found = []
        status, _ = self.get("/ping")
        if status != 200:
            found.append(f"/ping answers {status}")
        grown = self.memory() - self._memory if self._memory is not None else 0
        if grown > self._allowed:
            found.append(f"memory grew by {grown / 2**20:.1f} MiB")
        if self.workers() != self._before:
            found.append(f"workers were {self._before}, are {self.workers()}")
        return found
