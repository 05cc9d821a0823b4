"""How long a client may take, and how much a worker keeps for its clients."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass

from tabular.contract.endpoint import Endpoint
from tabular.contract.request_limits import MAX_BODY_BYTES

# SageMaker's proxy sends a head in one packet, and gives a whole invocation 60 s.
HEAD_SECONDS = 10.0
BODY_SECONDS = 60.0
# Beyond 6 MiB, the largest body of an endpoint: batch transform sends up to 100 MB.
LEAST_BYTES_PER_SECOND = 100_000
# A client that has the end of its answer has this long to close the connection.
CLOSING_SECONDS = 2.0
# As AWS's load balancers, which keep connections for 60 s, ask for: longer than they do.
KEEPALIVE_SECONDS = 75.0
# In a stopping worker, for requests that are on their way on kept connections.
LINGER_SECONDS = 2.0
# While memory is short: for the one body that is read on, and for an answer to be taken.
LEADER_SECONDS = 5.0
SHORT_SECONDS = 2.0
# A connection that waits takes 4 KiB, measured with 2,000.
MOST_CONNECTIONS = 4096
# Descriptors for all else: libraries, files of models, pipes.
OTHER_DESCRIPTORS = 96


@dataclass(frozen=True)
class Limits:
    """What a worker grants to its clients.

    Attributes
    ----------
    head_seconds : float
        From the first byte of a request to the end of its head.
    body_seconds : float
        From the first byte of a request to the end of its body, up to 6 MiB.
    answer_seconds : float
        For the client to take the whole answer.
    largest_body : int
        Bytes; nothing is kept of a larger body.
    held_bytes : int
        Of bodies that are coming or being answered, and as many of answers.
    """

    head_seconds: float = HEAD_SECONDS
    body_seconds: float = BODY_SECONDS
    answer_seconds: float = BODY_SECONDS
    largest_body: int = MAX_BODY_BYTES
    held_bytes: int = 8 * MAX_BODY_BYTES

    def request_seconds(self, body_bytes: int) -> float:
        """Tell how long a request with a body of this size may take to come."""
        beyond = max(0, min(body_bytes, self.largest_body) - MAX_BODY_BYTES)
        return self.body_seconds + beyond / LEAST_BYTES_PER_SECOND


def limits_of(endpoint: Endpoint) -> Limits:
    """Choose the limits of an endpoint; ``timeout_seconds`` may shorten them."""
    body_seconds = min(BODY_SECONDS, endpoint.timeout_seconds)
    return Limits(
        head_seconds=min(HEAD_SECONDS, endpoint.timeout_seconds),
        body_seconds=body_seconds,
        answer_seconds=body_seconds,
        largest_body=endpoint.max_body_bytes,
        held_bytes=_held_bytes(endpoint),
    )


def _held_bytes(endpoint: Endpoint) -> int:
    """Return a quarter of the memory for requests, but room for two to eight of the largest."""
    largest = endpoint.max_body_bytes
    return min(max(2 * largest, endpoint.request_bytes // 4), 8 * largest)


def most_connections() -> int:
    """Tell how many connections a worker's file descriptors suffice for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MOST_CONNECTIONS + OTHER_DESCRIPTORS:
        wanted = MOST_CONNECTIONS + OTHER_DESCRIPTORS
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - OTHER_DESCRIPTORS, soft // 2))
