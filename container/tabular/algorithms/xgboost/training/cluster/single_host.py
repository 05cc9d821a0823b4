"""The interface of training to the hosts of a job, and its implementation for a single host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tabular.contract.hosts import Hosts


class Cluster:
    """The hosts of a job; ``MultiHostCluster`` overrides what needs other hosts.

    A context manager: an exception that leaves the body is announced to the other hosts before it
    propagates, and after a normal end of the body each host waits for all others.

    Attributes
    ----------
    hosts : Hosts
        The rank of a host is its index in ``hosts.names``, which are sorted.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    def allgather(self, value: object, what: str = "what it has read") -> list[object]:
        """Return the values of all hosts, in rank order; blocks until every host has called it.

        Parameters
        ----------
        value : object
            A JSON-serializable value of at most 64 MiB; tuples are returned as lists.
        what : str
            Describes the value, for the log line that names the missing hosts.

        Raises
        ------
        UserError
            The value is too long.

        Examples
        --------
        >>> Cluster(Hosts()).allgather({"rows": 3})
        [{'rows': 3}]
        """
        return [json.loads(json.dumps(value))]

    @contextmanager
    def collective(self, participants: Sequence[str]) -> Iterator[None]:
        """Join XGBoost's collective; each of the participants must call this.

        The rank in XGBoost is the index among the sorted names. A single participant joins no
        collective.

        Raises
        ------
        PlatformError
            The connection to another host broke, and no host has announced why within 30 s.
        """
        yield

    def wait_for_end(self) -> None:
        """Wait until all hosts have finished, on a host that does not train."""
        self.close()

    def close(self) -> None:
        """Announce that this host has finished, and wait until all hosts have."""

    def announce_failure(self, error: BaseException) -> None:
        """Tell the other hosts why this host is about to end."""

    def announce_stop(self) -> None:
        """Tell the other hosts that SIGTERM ends this host, and ignore their later failures."""

    def __enter__(self) -> Self:
        """Return the cluster itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the other hosts, or announce the exception to them."""
        if error is None:
            self.close()
        else:
            self.announce_failure(error)
