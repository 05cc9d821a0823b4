"""Deadlines of clients, and the memory and connections that a worker grants them."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass

from tabular.contract.endpoint import Endpoint
from tabular.contract.request_limits import MAX_BODY_BYTES

# SageMaker's proxy sends a head in one packet, and gives a whole invocation 60 s.
HEAD_SECONDS = 10.0
BODY_SECONDS = 60.0
# For bodies above 6 MiB, the limit of endpoints: batch transform sends up to 100 MB.
LEAST_BYTES_PER_SECOND = 100_000
# After the end of a response, the client has this long to close the connection.
CLOSING_SECONDS = 2.0
# AWS's load balancers keep connections for 60 s; AWS recommends a longer time for servers.
KEEPALIVE_SECONDS = 75.0
# A stopping worker waits this long for requests on idle connections.
LINGER_SECONDS = 2.0
# While memory for bodies is used up, one body is still read, for this long.
LEADER_SECONDS = 5.0
# While memory for responses is used up, a client has this long to take its response.
SHORT_SECONDS = 2.0
# An idle connection takes 4 KiB, measured with 2,000 connections.
MOST_CONNECTIONS = 4096
# File descriptors for libraries, files of models and pipes.
OTHER_DESCRIPTORS = 96


@dataclass(frozen=True)
class Limits:
    """Deadlines and sizes that a worker grants to its clients.

    Attributes
    ----------
    head_seconds : float
        From the first byte of a request to the end of its head.
    body_seconds : float
        From the first byte of a request to the end of its body, up to 6 MiB.
    answer_seconds : float
        For the client to read the whole response.
    largest_body : int
        In bytes; a larger body is dropped while it is read.
    held_bytes : int
        Memory for bodies that arrive or are being answered; as much again for responses.
    """

    head_seconds: float = HEAD_SECONDS
    body_seconds: float = BODY_SECONDS
    answer_seconds: float = BODY_SECONDS
    largest_body: int = MAX_BODY_BYTES
    held_bytes: int = 8 * MAX_BODY_BYTES

    def request_seconds(self, body_bytes: int) -> float:
        """Return how many seconds a request with a body of this size may take to arrive."""
        beyond = max(0, min(body_bytes, self.largest_body) - MAX_BODY_BYTES)
        return self.body_seconds + beyond / LEAST_BYTES_PER_SECOND


def limits_of(endpoint: Endpoint) -> Limits:
    """Return the limits of an endpoint; its ``timeout_seconds`` may shorten the deadlines."""
    body_seconds = min(BODY_SECONDS, endpoint.timeout_seconds)
    return Limits(
        head_seconds=min(HEAD_SECONDS, endpoint.timeout_seconds),
        body_seconds=body_seconds,
        answer_seconds=body_seconds,
        largest_body=endpoint.max_body_bytes,
        held_bytes=_held_bytes(endpoint),
    )


def _held_bytes(endpoint: Endpoint) -> int:
    """Return a quarter of the memory for requests, at least two and at most eight bodies."""
    largest = endpoint.max_body_bytes
    return min(max(2 * largest, endpoint.request_bytes // 4), 8 * largest)


def most_connections() -> int:
    """Raise the limit of file descriptors; return how many connections a worker can hold."""
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
