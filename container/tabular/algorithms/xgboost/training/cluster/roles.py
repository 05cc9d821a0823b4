"""The two ends of a control connection: the leader's, and that of every other host."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

from tabular.algorithms.xgboost.training.cluster.control import LEAVE_SECONDS, Control
from tabular.algorithms.xgboost.training.cluster.messages import (
    REASON_CHARACTERS,
    GarbageError,
    Link,
    Message,
    encode,
    shortened,
)
from tabular.contract.errors import JobError

# Whoever connects says who it is at once; a port scanner does not.
HELLO_SECONDS = 10.0
MOST_STRANGERS = 64


class Leader(Control):
    """Waits until all hosts have come, and then passes on what each says.

    Parameters
    ----------
    listener : socket
        Where the others connect to; closed once all are there.
    timeout_seconds : float
        How long to wait for them.
    setting : str
        What makes that longer.
    """

    def __init__(
        self,
        me: str,
        names: Sequence[str],
        on_failure: Callable[[JobError], None],
        silence_seconds: float,
        log: logging.Logger,
        listener: socket.socket,
        timeout_seconds: float,
        setting: str,
    ) -> None:
        super().__init__(me, names, on_failure, silence_seconds, log)
        self._timeout_seconds = timeout_seconds
        self._setting = setting
        self._deadline = time.monotonic() + timeout_seconds
        self._done: set[str] = set()
        self.listen_on(listener)

    def absent(self) -> list[str]:
        """Name the hosts that have not come yet."""
        there = {link.host for link in self.links}
        return [name for name in self.names if name != self.me and name not in there]

    def came(self, connection: socket.socket, address: str) -> None:
        """Listen to whoever connects, for a while."""
        if sum(not link.host for link in self.links) >= MOST_STRANGERS:
            connection.close()
            return
        self.add(Link(connection, address))

    def handle(self, link: Link, message: Message) -> None:
        """Act on a message of a host that is known, or get to know it."""
        kind = message["type"]
        if not link.host:
            if kind != "hello":
                raise GarbageError(f"'{kind}' before a name")
            self._meet(link, message)
            return
        if message.get("host", link.host) != link.host:
            raise GarbageError(f"{link.host} speaks for another host")
        if kind == "done":
            self._note_done(link.host)
            return
        if kind == "failed":
            message["reason"] = message["reason"][:REASON_CHARACTERS]
        super().handle(link, message)
        if kind == "value":
            self.pass_on(message["among"], link.host, encode(kind, **_fields(message)))
        elif kind == "stopping":
            self.send_all(encode(kind, **_fields(message)))

    def pass_on(self, among: Sequence[str], speaker: str, line: bytes) -> None:
        """Send what a host says to those whom it tells."""
        for link in self.links:
            if link.host in among and link.host != speaker:
                link.send(line)

    def lost(self, link: Link) -> None:
        """Find out whether the end of a connection is the end of the job."""
        if not link.host:
            self.log.warning("dropped a connection of %s: %s", link.address, link.lost)
        elif link.host not in self._done:
            self.gone(link.host, link)

    def silent(self, link: Link, seconds: float) -> None:
        """Take a host for dead, unless its part is done."""
        if link.host not in self._done:
            super().silent(link, seconds)

    def tick(self, now: float) -> None:
        """Give up those who do not come in time, or do not say who they are."""
        super().tick(now)
        if self.heard.gathered or self.leave_by is not None:
            return
        for link in list(self.links):
            if not link.host and now - link.since > HELLO_SECONDS:
                link.lost = f"said no host's name within {HELLO_SECONDS:.0f} s"
                self.drop(link)
        if now >= self._deadline:
            absent = self.absent()
            self.judge(
                self.failure(
                    f"host{'s' * (len(absent) > 1)} {shortened(absent)} did not come within "
                    f"{self._timeout_seconds:.0f} s; see their logs, or let the others wait longer "
                    f"with {self._setting}",
                    absent[0],
                )
            )

    def finished(self) -> None:
        """Note that the leader itself has done its part."""
        self._note_done(self.me)

    def unfinished(self) -> str:
        """Name those who have not done their part."""
        return shortened(name for name in self.names if name not in self._done)

    def _meet(self, link: Link, message: Message) -> None:
        host = message["host"]
        if host not in self.names or message["hosts"] != list(self.names):
            refusal = (
                f"its hosts are {shortened(map(str, message['hosts']))}, here they are "
                f"{shortened(self.names)}; resourceconfig.json must name the same on every host"
            )
        elif host not in self.absent():
            refusal = "a host of that name is here already"
        else:
            self.welcome(link, host)
            link.send(encode("welcome"))
            if self.suspected is not None and self.suspected[1].host == host:
                self.suspected = None  # it was started again
            there = len(self.names) - len(self.absent())
            self.log.info("host %s is there, %d of %d", host, there, len(self.names))
            self._begin_when_there()
            return
        link.send(encode("refused", reason=refusal))
        link.lost = f"refused as {host[:64]}: {refusal}"

    def _begin_when_there(self) -> None:
        if self.absent():
            self.send_all(encode("waiting", hosts=self.absent()))
            return
        self.listen_no_more()
        for link in [link for link in self.links if not link.host]:
            link.lost = "all hosts are there"
            self.drop(link)
        self.send_all(encode("gathered"))
        self.heard.all_gathered()

    def _note_done(self, host: str) -> None:
        self._done.add(host)
        if self._done.issuperset(self.names):
            self.leave_with(encode("over"))
            self.heard.all_over()


class Member(Control):
    """A host that is not the leader: one connection, to the leader."""

    def __init__(
        self,
        me: str,
        names: Sequence[str],
        on_failure: Callable[[JobError], None],
        silence_seconds: float,
        log: logging.Logger,
        link: Link,
    ) -> None:
        super().__init__(me, names, on_failure, silence_seconds, log)
        self._absent = ["the other hosts"]
        self.welcome(link, names[0])
        self.add(link)

    def absent(self) -> list[str]:
        """Name the hosts that have not come yet, as the leader has told."""
        return self._absent

    def handle(self, link: Link, message: Message) -> None:
        """Act on what the leader says."""
        match message["type"]:
            case "waiting":
                self._absent = [str(host) for host in message["hosts"]]
            case "gathered":
                self.heard.all_gathered()
            case "over":
                self.leave_by = time.monotonic()
                self.heard.all_over()
            case _:
                super().handle(link, message)

    def pass_on(self, among: Sequence[str], speaker: str, line: bytes) -> None:
        """Send what this host says to the leader, who passes it on."""
        self.send_all(line)

    def lost(self, link: Link) -> None:
        """Without the leader there is no job."""
        self.gone(link.host, link)

    def leave_with(self, line: bytes, seconds: float = LEAVE_SECONDS) -> None:
        """Say a last thing to the leader, who knows already of the end of others."""
        if self._verdict is None:
            super().leave_with(line, seconds)
        elif self.leave_by is None:
            self.leave_by = time.monotonic()

    def finished(self) -> None:
        """Tell the leader that this host has done its part."""
        self.send_all(encode("done"))

    def unfinished(self) -> str:
        """Say who is waited for; only the leader knows them by name."""
        return "the other hosts to end"


def _fields(message: Message) -> dict[str, object]:
    return {name: value for name, value in message.items() if name != "type"}
