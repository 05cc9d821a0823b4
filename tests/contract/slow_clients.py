"""Many slow clients, and an observer that measures the server at the same time."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

PORT = 8080
ROW = b"0.1,0.2,0.3,0.4"


def post(path: str, body: bytes, *headers: bytes) -> tuple[bytes, bytes]:
    """Make a request in two parts, head and body."""
    lines = (
        b"POST %s HTTP/1.1" % path.encode(),
        b"Host: x",
        b"Content-Type: text/csv",
        b"Content-Length: %d" % len(body),
        *headers,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n", body


class SlowClients:
    """Connections that send a beginning, then a byte every two seconds.

    Parameters
    ----------
    address : str
        The container's own: a published port has a proxy of the engine before it.
    beginning, drip : bytes
        The bytes that are sent at once, and the bytes that are then sent one by one, repeatedly.
    """

    def __init__(
        self,
        address: str,
        count: int,
        beginning: bytes,
        drip: bytes = b"",
        seconds: float = 2,
        receive_bytes: int = 0,
    ) -> None:
        raise_descriptor_limit(count + 200)
        self._drip, self._seconds = drip, seconds
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self.answers: dict[socket.socket, bytes] = {}
        self.ended: dict[socket.socket, float] = {}
        self.begun = time.monotonic()
        for _ in range(count):
            client = socket.socket()
            client.settimeout(20)
            if receive_bytes:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            client.connect((address, PORT))
            if beginning:
                client.sendall(beginning)
            client.setblocking(False)
            self.answers[client] = b""
            if not receive_bytes:
                self._selector.register(client, selectors.EVENT_READ)
        self._reads = not receive_bytes
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> SlowClients:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        for client in self.answers:
            client.close()

    @property
    def open(self) -> int:
        """The number of connections that the server has not closed."""
        return len(self.answers) - len(self.ended)

    def wait_until_closed(self, seconds: float) -> None:
        """Fail if the server keeps any connection open for longer."""
        deadline = time.monotonic() + seconds
        while self.open:
            assert time.monotonic() < deadline, f"{self.open} clients are still connected"
            time.sleep(0.05)

    def _run(self) -> None:
        sent, due = 0, time.monotonic() + self._seconds
        while not self._over.is_set():
            for key, _ in self._selector.select(0.05) if self._reads else ():
                self._receive(key.fileobj)  # type: ignore[arg-type]
            if not self._reads:
                time.sleep(0.05)
            if time.monotonic() >= due:
                due += self._seconds
                self._step(sent)
                sent += 1

    def _receive(self, client: socket.socket) -> None:
        try:
            part = client.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self.answers[client] += part
        if not part:
            self.ended[client] = time.monotonic()
            self._selector.unregister(client)

    def _step(self, sent: int) -> None:
        for client in self.answers:
            if client in self.ended:
                continue
            try:
                if not self._reads:
                    if not client.recv(1):
                        self.ended[client] = time.monotonic()
                elif self._drip:
                    client.send(self._drip[sent % len(self._drip)].to_bytes(1, "big"))
            except BlockingIOError:
                pass
            except OSError:
                if not self._reads:
                    self.ended[client] = time.monotonic()


def raise_descriptor_limit(wanted: int) -> None:
    """Raise the limit of open files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


@dataclass
class Observed:
    """Seconds that each kind of request took, and the requests without a 200."""

    times: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def slowest(self, kind: str, share: float = 1.0) -> float:
        """Return the quantile ``share`` of the durations, in seconds."""
        times = sorted(self.times[kind])
        return times[max(0, round(share * len(times)) - 1)]


def observe(address: str, path: str, seconds: float) -> Observed:
    """Request ``/ping`` and predictions, in one and in two packets, on new connections."""
    seen = Observed()
    requests: dict[str, tuple[bytes, ...]] = {
        "ping": (b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",),
        "whole": (b"".join(post(path, ROW, b"Connection: close")),),
        "two packets": post(path, ROW, b"Connection: close"),
    }
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind, parts in requests.items():
            begun = time.monotonic()
            try:
                answer = _asked(address, parts)
            except OSError as error:
                answer = repr(error).encode()
            spent = time.monotonic() - begun - 0.02 * (len(parts) - 1)
            seen.times.setdefault(kind, []).append(spent)
            if not answer.startswith(b"HTTP/1.1 200 "):
                seen.failures.append(f"{kind}: {answer[:200]!r} after {spent:.2f} s")
        time.sleep(0.05)
    return seen


def _asked(address: str, parts: tuple[bytes, ...]) -> bytes:
    answer = b""
    with socket.create_connection((address, PORT), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, part in enumerate(parts):
            if number:
                time.sleep(0.02)
            client.sendall(part)
        while part := client.recv(1 << 16):
            answer += part
    return answer
