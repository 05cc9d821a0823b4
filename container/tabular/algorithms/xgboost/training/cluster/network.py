"""Open the control connections: the leader listens, the other hosts connect to it."""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Sequence

from tabular.algorithms.xgboost.training.cluster.config import ClusterConfig
from tabular.algorithms.xgboost.training.cluster.connection import PeerConnection
from tabular.algorithms.xgboost.training.cluster.messages import ProtocolError, decode, encode
from tabular.contract.errors import PlatformError
from tabular.contract.hosts import Hosts

log = logging.getLogger(__name__)

# ioctl that returns the IPv4 address of a network interface (linux/sockios.h).
SIOCGIFADDR = 0x8915
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1.0
LOG_SECONDS = 30.0
# The leader's answer is short: "welcome", or "refused" with a list of names that is shortened.
ANSWER_BYTES = 4096
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 only if the network interface of the job does not exist


def address_of(interface: str) -> str | None:
    """Return the IPv4 address of a network interface; None if it has none, or off Linux."""
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(
                probe.fileno(), SIOCGIFADDR, struct.pack("256s", interface.encode()[:15])
            )
    except (OSError, ImportError):
        return None
    return socket.inet_ntoa(answer[20:24])


def listen(interface: str, port: int) -> socket.socket:
    """Open the port that the other hosts connect to.

    Raises
    ------
    PlatformError
        The port is in use.
    """
    address = address_of(interface)
    if address is None:
        log.warning("network interface '%s' has no address: listening on all", interface)
        address = ANY_ADDRESS
    try:
        listener = socket.create_server((address, port), backlog=128)
    except OSError as error:
        raise PlatformError(
            f"{address}:{port}, the port of the control connections of the hosts, can't be opened "
            f"({error.strerror}); stop the program that uses it"
        ) from error
    listener.setblocking(False)
    return listener


def connect(hosts: Hosts, config: ClusterConfig) -> PeerConnection:
    """Connect with the leader, and say which host this is.

    Tries again until ``config.timeout_seconds`` are over: at first the leader's name may not
    resolve, or its port may be closed.

    Raises
    ------
    PlatformError
        The leader did not answer in time, or refused this host.
    """
    address = hosts.leader_address or hosts.leader
    started = time.monotonic()
    next_log_line = started + LOG_SECONDS
    while True:
        left = started + config.timeout_seconds - time.monotonic()
        try:
            sock = socket.create_connection(
                (address, config.port), max(0.1, min(left, CONNECT_SECONDS))
            )
            # The leader exists. It may be paused, so this host waits for its answer until the
            # time-out.
            sock.settimeout(max(1.0, left))
            return _send_hello(sock, hosts.current, hosts.names)
        except ProtocolError as error:
            problem = f"port {config.port} answers with {error}"
        except OSError as error:
            problem = error.strerror or str(error)
        now = time.monotonic()
        if now - started >= config.timeout_seconds:
            raise PlatformError(
                f"host {hosts.leader} (the leader) did not come within "
                f"{config.timeout_seconds:.0f} s ({address}:{config.port}: {problem}); its log "
                f"says why, and {config.timeout_setting} sets how long hosts wait"
            )
        if now >= next_log_line:
            log.info("waiting for %s (%s), %.0f s so far", hosts.leader, problem, now - started)
            next_log_line = now + LOG_SECONDS
        time.sleep(RETRY_SECONDS)


def _send_hello(sock: socket.socket, current: str, names: Sequence[str]) -> PeerConnection:
    """Send "hello" and wait for "welcome"; close the socket if "welcome" does not come."""
    try:
        sock.sendall(encode("hello", host=current, hosts=list(names)))
        answer = decode(_read_line(sock))
    except (OSError, ProtocolError):
        sock.close()
        raise
    if answer["type"] == "refused":
        sock.close()
        raise PlatformError(f"host {names[0]} (the leader) refused {current}: {answer['reason']}")
    return PeerConnection(sock)


def _read_line(sock: socket.socket) -> bytes:
    # Read byte by byte: ``PeerConnection`` reads the bytes after the line.
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError("closed before it answered")
        line += byte
        if len(line) > ANSWER_BYTES:
            raise ProtocolError("a line without an end")
    return bytes(line)
