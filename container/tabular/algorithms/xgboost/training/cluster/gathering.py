"""How hosts find each other: the leader listens, the others come when they can."""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Sequence

from tabular.algorithms.xgboost.training.cluster.messages import GarbageError, Link, decode, encode
from tabular.contract.errors import PlatformError

# Asks the kernel for the IPv4 address of an interface (linux/sockios.h).
SIOCGIFADDR = 0x8915
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1.0
LOG_SECONDS = 30.0
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 the interface that the job names does not exist


def address_of(interface: str) -> str | None:
    """Find the IPv4 address of a network interface, None when there is none (or no Linux)."""
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(
                probe.fileno(), SIOCGIFADDR, struct.pack("256s", interface.encode()[:15])
            )
    except (OSError, ImportError):
        return None
    return socket.inet_ntoa(answer[20:24])


def listen(interface: str, port: int, log: logging.Logger) -> socket.socket:
    """Open the port that the other hosts connect to.

    Raises
    ------
    PlatformError
        The port is taken.
    """
    address = address_of(interface)
    if address is None:
        log.warning("network interface '%s' has no address: listening on all", interface)
        address = ANY_ADDRESS
    try:
        listener = socket.create_server((address, port), backlog=128)
    except OSError as error:
        raise PlatformError(
            f"{address}:{port}, on which the hosts gather, can't be opened ({error.strerror})"
        ) from error
    listener.setblocking(False)
    return listener


def connect(
    me: str,
    names: Sequence[str],
    address: str,
    port: int,
    timeout_seconds: float,
    setting: str,
    log: logging.Logger,
) -> Link:
    """Connect with the leader, ``names[0]`` at ``address``, and say who we are.

    Its name may not resolve yet and its port may not be open yet: both are tried again until
    ``timeout_seconds`` are over; ``setting`` makes them more.

    Raises
    ------
    PlatformError
        The leader did not come in time, or refused us.
    """
    leader = names[0]
    started = time.monotonic()
    next_line = started + LOG_SECONDS
    while True:
        left = started + timeout_seconds - time.monotonic()
        try:
            connection = socket.create_connection(
                (address, port), max(0.1, min(left, CONNECT_SECONDS))
            )
            # Whoever has taken the connection is there: it may be paused, and answers later.
            connection.settimeout(max(1.0, left))
            return _introduced(connection, me, names)
        except GarbageError as garbage:
            problem = f"port {port} answers with {garbage}"
        except OSError as error:
            problem = error.strerror or str(error)
        now = time.monotonic()
        if now - started >= timeout_seconds:
            raise PlatformError(
                f"host {leader} (the leader) did not come within {timeout_seconds:.0f} s "
                f"({address}:{port}: {problem}); its log says why, and {setting} sets how long "
                "hosts wait"
            )
        if now >= next_line:
            log.info("waiting for %s (%s), %.0f s so far", leader, problem, now - started)
            next_line = now + LOG_SECONDS
        time.sleep(RETRY_SECONDS)


def _introduced(connection: socket.socket, me: str, names: Sequence[str]) -> Link:
    """Say hello and wait for the welcome; the connection is closed when none comes."""
    try:
        connection.sendall(encode("hello", host=me, hosts=list(names)))
        answer = decode(_line(connection))
    except (OSError, GarbageError):
        connection.close()
        raise
    if answer["type"] == "refused":
        connection.close()
        raise PlatformError(f"host {names[0]} (the leader) refused {me}: {answer['reason']}")
    link = Link(connection)
    link.host = names[0]
    return link


def _line(connection: socket.socket) -> bytes:
    # Byte by byte: what follows the line is for the link.
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionResetError("closed before it answered")
        line += byte
        if len(line) > 4096:
            raise GarbageError("a line without an end")
    return bytes(line)
