"""A listening socket that refuses new clients while it is emptied.

Closing a listening socket resets the connections that wait in it, and between the last
``accept`` and ``close`` another may come. So new ones are refused first: their packets have a
smaller time to live than ``IP_MINTTL`` asks for, and the system drops the first of them, while
handshakes that have begun end as usual. A dropped client tries again after a second and finds the
port closed. A packet filter (``SO_ATTACH_FILTER``) would do the same, but the system may forbid it
to a container: it did where this was measured.
"""

from __future__ import annotations

import socket
from contextlib import suppress

# Linux, <linux/in.h> and <linux/in6.h>; Python does not name them.
IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
# Systems send 64 (Linux, macOS) or 128 (Windows).
LARGEST_TTL = 255


def refuse_new(listener: socket.socket) -> None:
    """Drop the first packet of new connections; it holds for all processes that listen."""
    _set_least_ttl(listener, LARGEST_TTL)


def admit_all(sock: socket.socket) -> None:
    """Take packets of every time to live.

    An accepted socket inherits what another worker, which is stopping, asked of the listening
    one, and a new worker finds the listening socket as the one before left it.
    """
    _set_least_ttl(sock, 0)


def _set_least_ttl(sock: socket.socket, ttl: int) -> None:
    with suppress(OSError):  # where the system is not Linux
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, ttl)
    if sock.family == socket.AF_INET6:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl)
