"""The hosts of a job as training sees them: one alone, or several."""

from __future__ import annotations

import itertools
import json
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tabular.algorithms.xgboost.training.cluster.control import Control
from tabular.algorithms.xgboost.training.cluster.messages import (
    MESSAGE_BYTES,
    Failure,
    encode,
    shortened,
)
from tabular.contract.errors import JobError, PlatformError, UserError
from tabular.contract.hosts import Hosts
from tabular.contract.machine import out_of_memory


class Cluster:
    """The hosts of a job; this one is that of a single host, which has nobody to ask.

    Used as a context: an exception that leaves the body is told to the other hosts before it
    goes on, and after a normal end of the body all wait for each other.

    Attributes
    ----------
    hosts : Hosts
        Ranks are places among ``hosts.names``, which are sorted.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    def exchange(self, value: object, what: str = "what it has read") -> list[object]:
        """Tell all hosts a value and get every host's, in rank order; blocks until all have.

        Parameters
        ----------
        value : object
            What JSON can hold, at most 64 MiB of it; tuples come back as lists.
        what : str
            What a host is waited for, for the log.

        Raises
        ------
        UserError
            The value is too long.
        """
        return [json.loads(json.dumps(value))]

    @contextmanager
    def collective(self, participants: Sequence[str]) -> Iterator[None]:
        """Join XGBoost's collective with the other participants, each of which must call this.

        XGBoost's rank is the place among the sorted names. With a single participant there is
        no collective, and nothing to join.

        Raises
        ------
        PlatformError
            The hosts lost each other, and none has said why within 30 s.
        """
        yield

    def wait_for_end(self) -> None:
        """Wait until all hosts have done their part, on a host that has none."""
        self.close()

    def close(self) -> None:
        """Say that this host has done its part, and wait until all have."""

    def fail(self, error: BaseException) -> None:
        """Tell the other hosts why this one is about to end."""

    def stopping(self) -> None:
        """Tell the other hosts that SIGTERM ends this one; theirs is reported no more."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End well, or tell the others why not."""
        if error is None:
            self.close()
        else:
            self.fail(error)


class SeveralHosts(Cluster):
    """The hosts of a job that are connected with each other."""

    def __init__(
        self,
        hosts: Hosts,
        control: Control,
        address: Callable[[], str],
        tracker_port: int,
        log: logging.Logger,
    ) -> None:
        super().__init__(hosts)
        self._control = control
        self._address = address
        self._tracker_port = tracker_port
        self._log = log
        self._exchanges = itertools.count(1)
        self._collectives = itertools.count(1)
        self._exit_code = PlatformError.exit_code

    def exchange(self, value: object, what: str = "what it has read") -> list[object]:
        """See ``Cluster.exchange``."""
        name = f"exchange {next(self._exchanges)}"
        return self._exchange(name, self.hosts.names, value, what)

    @contextmanager
    def collective(self, participants: Sequence[str]) -> Iterator[None]:
        """See ``Cluster.collective``."""
        among = sorted(participants)
        rank = among.index(self.hosts.current)
        if len(among) == 1:
            yield
            return
        from tabular.algorithms.xgboost.training.cluster.collective import (
            communicator,  # loads XGBoost
        )

        number = next(self._collectives)
        steps = itertools.count(1)

        def exchange(value: object) -> list[object]:
            name = f"collective {number} step {next(steps)} of {' '.join(among)}"
            return self._exchange(name, among, value, "its part of the training")

        self._log.info("training with %s, rank %d", shortened(among), rank)
        with communicator(
            rank,
            among,
            self._address(),
            self._tracker_port,
            exchange,
            self._control.heard.wait_for_error,
            lambda: self._exit_code,
            self._log,
        ):
            yield

    def wait_for_end(self) -> None:
        """See ``Cluster.wait_for_end``."""
        self._log.info("host %s takes no part: waiting for the others", self.hosts.current)
        self.close()

    def close(self) -> None:
        """See ``Cluster.close``."""
        self._control.finish()

    def fail(self, error: BaseException) -> None:
        """See ``Cluster.fail``."""
        me = self.hosts.current
        kind, message, self._exit_code = _described(error, me)
        self._control.fail(Failure(me, kind, f"host {me} failed: {message}"))

    def stopping(self) -> None:
        """See ``Cluster.stopping``."""
        self._control.stop()

    def _exchange(self, name: str, among: Sequence[str], value: object, what: str) -> list[object]:
        me = self.hosts.current
        line = encode("value", host=me, name=name, among=list(among), value=value)
        if len(line) > MESSAGE_BYTES:
            raise UserError(
                f"host {me} has {len(line) >> 20} MiB to tell the others about its columns, "
                f"expected at most {MESSAGE_BYTES >> 20}; leave out columns of text with many "
                "different values"
            )
        heard = self._control.heard
        # As the others get it, so that all hosts have the same.
        self._control.say(name, among, json.loads(line)["value"], line)
        heard.wait_for(
            lambda: not heard.missing(name, among),
            lambda: f"{shortened(heard.missing(name, among))} ({what})",
        )
        return heard.take(name, among)


def _described(error: BaseException, me: str) -> tuple[str, str, int]:
    if isinstance(error, JobError):
        return error.kind, str(error), error.exit_code
    memory = out_of_memory(error)
    if memory:
        message = memory
    elif isinstance(error, KeyboardInterrupt):
        return PlatformError.kind, "interrupted", 128 + signal.SIGINT
    else:
        said = str(error).partition("Stack trace")[0].strip()  # XGBoost's own
        message = f"{type(error).__name__}: {said} (unexpected; the log of {me} has the traceback)"
    return PlatformError.kind, message, PlatformError.exit_code
