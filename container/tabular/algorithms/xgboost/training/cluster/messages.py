"""The messages between hosts: JSON objects, one per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tabular.contract.errors import AlgorithmError, JobError, PlatformError, UserError

# Large enough for the categories of a wide table, and small enough for the memory of a host.
MESSAGE_BYTES = 64 << 20
# The failure file shows 1,024 characters; longer reasons are cut before they are forwarded.
REASON_CHARACTERS = 2000

Message: TypeAlias = dict[str, Any]

# The fields of each type of message, besides "type".
FIELDS: Mapping[str, Mapping[str, type]] = {
    # From a member to the leader, and the leader's answers.
    "hello": {"host": str, "hosts": list},
    "welcome": {},
    "refused": {"reason": str},
    # From the leader to all: the absent hosts; all hosts are present.
    "waiting": {"hosts": list},
    "gathered": {},
    # The heartbeat.
    "alive": {},
    # One host's value of an allgather among some hosts.
    "value": {"host": str, "name": str, "among": list, "value": object},
    "failed": {"host": str, "kind": str, "reason": str},
    # SIGTERM ends the host.
    "stopping": {"host": str},
    # A host has finished; from the leader: all hosts have finished.
    "done": {},
    "over": {},
}
KINDS: Mapping[str, type[JobError]] = {
    error.kind: error for error in (UserError, AlgorithmError, PlatformError)
}


class ProtocolError(ValueError):
    """The bytes on a connection are not a message: a port scanner, or another program."""


@dataclass(frozen=True)
class Failure:
    """Why a job ends.

    Attributes
    ----------
    host : str
        The host that failed.
    kind : str
        The kind of the error; see ``tabular.contract.errors``.
    reason : str
        The message that every other host reports.
    """

    host: str
    kind: str
    reason: str

    @property
    def error(self) -> JobError:
        """The failure as an exception that the other hosts raise."""
        return KINDS.get(self.kind, PlatformError)(self.reason)

    @property
    def line(self) -> bytes:
        """The failure as a message."""
        return encode("failed", host=self.host, kind=self.kind, reason=self.reason)


def encode(kind: str, /, **fields: object) -> bytes:
    r"""Encode one message, with its line end.

    >>> encode("stopping", host="algo-2")
    b'{"type":"stopping","host":"algo-2"}\n'
    """
    return json.dumps({"type": kind, **fields}, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Decode one message.

    Raises
    ------
    ProtocolError
        The line is not JSON, or not a message of ``FIELDS``.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{line[:40]!r}, which is not JSON") from error
    fields = FIELDS.get(str(message.get("type"))) if isinstance(message, dict) else None
    if fields is None or not all(
        name in message and isinstance(message[name], expected) for name, expected in fields.items()
    ):
        raise ProtocolError(f"{line[:40]!r}, which is not a message of this protocol")
    return dict(message)


def shortened(names: Iterable[str], most: int = 8) -> str:
    """List names for a message, at most ``most`` of them.

    >>> shortened(["algo-1", "algo-2", "algo-3"], most=2)
    'algo-1, algo-2 and 1 more'
    """
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
