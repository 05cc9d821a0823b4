"""Stop a listening socket without resetting the connections that wait to be accepted.

Closing a listening socket resets the connections in its backlog, and a connection may arrive
between the last ``accept`` and ``close``. So new connections are refused first: ``IP_MINTTL`` asks
for a larger time to live than packets have, and the kernel drops the first packet of each new
connection, while handshakes in progress complete. A refused client sends its packet again after a
second and finds the port closed. A packet filter (``SO_ATTACH_FILTER``) would do the same, but the
system may forbid it to a container, as the system of our measurements did.
"""

from __future__ import annotations

import socket
from contextlib import suppress

# From Linux's <linux/in.h> and <linux/in6.h>; Python's socket module lacks them.
IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
# Systems send 64 (Linux, macOS) or 128 (Windows).
LARGEST_TTL = 255


def refuse_new(listener: socket.socket) -> None:
    """Drop the first packet of new connections, in all processes that share the socket."""
    _set_least_ttl(listener, LARGEST_TTL)


def admit_all(sock: socket.socket) -> None:
    """Accept packets with any time to live.

    An accepted socket inherits the setting that a stopping worker made on the listening socket,
    and a new worker finds the listening socket with the setting of the worker before it.
    """
    _set_least_ttl(sock, 0)


def _set_least_ttl(sock: socket.socket, ttl: int) -> None:
    with suppress(OSError):  # where the system is not Linux
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, ttl)
    if sock.family == socket.AF_INET6:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl)
