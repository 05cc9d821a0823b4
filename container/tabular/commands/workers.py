"""One process for each GPU: start them, pass SIGTERM on, and report for all of them once.

Workers share standard output, standard error and everything else of this process. What went
wrong each says into a pipe of its own; this process alone writes the failure file.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from tabular.commands.error_report import ErrorReport, describe_error
from tabular.contract.errors import PlatformError
from tabular.contract.machine import memory_cure
from tabular.contract.termination import EXIT_CODE, Scope, Termination
from tabular.contract.worker import Worker

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "tabular.commands.train")
LOOK_SECONDS = 0.1
# The others hear of a failure within seconds, and end by themselves.
LEAVE_SECONDS = 60.0
# After ``termination.GRACE_SECONDS`` the workers save what they have: SIGKILL comes at 120 s.
RESCUE_SECONDS = 15.0
# A pipe takes 64 KiB without a reader.
DETAILS_CHARACTERS = 10_000


def tell(report: ErrorReport, worker: Worker, heard: bool) -> int:
    """Say in a worker why it ends, and return the exit code.

    Parameters
    ----------
    heard : bool
        Another worker or host is the cause, which may have said so itself.
    """
    said = {**asdict(report), "details": report.details[-DETAILS_CHARACTERS:], "heard": heard}
    with suppress(OSError):  # the one that reads it is gone
        os.write(
            worker.report, json.dumps(said, ensure_ascii=False).encode(errors="backslashreplace")
        )
    return report.exit_code


def run_workers(
    devices: Sequence[str], single_host: bool, termination: Termination
) -> ErrorReport | None:
    """Train with one process for each device and wait for all of them.

    Parameters
    ----------
    termination : Termination
        Deferred meanwhile: SIGTERM is for the workers to answer.

    Returns
    -------
    ErrorReport or None
        Why the job failed; None when it did not.
    """
    started: list[_Process] = []

    def wait_a_little() -> None:
        # The grace is over for the workers too; when they end, the main thread ends all.
        time.sleep(RESCUE_SECONDS)
        raise TimeoutError("the processes of the GPUs did not end")

    with termination.scope(Scope(deferred=True, rescue=wait_a_little)):
        port = _free_port() if single_host else 0
        try:
            for place, device in enumerate(devices):
                started.append(_start(place, len(devices), device, port))
            log.info("training on %s, with a process for each", ", ".join(devices))
            failed = _watch(started, termination)
        except BaseException:
            _interrupt(started)
            raise
    if termination.requested.is_set() and {p.code for p in started} == {0, EXIT_CODE}:
        # One has saved the model, and only then did the others' time run out.
        return None
    return min(failed, key=lambda found: found[0])[1] if failed else None


@dataclass
class _Process:
    """A worker, as the process that started it sees it."""

    worker: Worker
    popen: subprocess.Popen[bytes]
    pipe: int
    seen: bool = field(default=False)

    @property
    def code(self) -> int | None:
        return self.popen.poll()

    def reason(self) -> tuple[int, ErrorReport]:
        """Find why it failed; of several, the first with the lowest number is the cause."""
        with suppress(OSError, ValueError):
            said = json.loads(os.read(self.pipe, 1 << 20))
            heard = said.pop("heard")
            # The code of SIGTERM is not that of the kind.
            return (1 if heard else 0), ErrorReport(**{**said, "exit_code": self.code})
        name, code = f"the process of GPU {self.worker.place} ({self.worker.device})", self.code
        if code is not None and code < 0:
            cause = signal.Signals(-code).name
            cure = (
                f"probably out of memory: {memory_cure()}"
                if -code == signal.SIGKILL
                else "see the log"
            )
            return 0, describe_error(PlatformError(f"{name} was killed by {cause}; {cure}"))
        return 2, describe_error(
            PlatformError(f"{name} ended with exit code {code} without a reason; see the log")
        )


def _start(place: int, count: int, device: str, port: int) -> _Process:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    worker = Worker(place, count, device, port, writing)
    try:
        # SIGTERM stays blocked in the worker, as it is here, until the worker listens for it: so
        # none is lost while it starts. In a process group of its own it gets no Ctrl-C but ours.
        popen = subprocess.Popen(  # noqa: S603 this program
            COMMAND,
            env={**os.environ, **worker.variables},
            stdin=subprocess.DEVNULL,
            pass_fds=[writing],
            process_group=0,
        )
    finally:
        os.close(writing)
    return _Process(worker, popen, reading)


def _watch(started: Sequence[_Process], termination: Termination) -> list[tuple[int, ErrorReport]]:
    """Wait for all; the reasons of those that failed, in the order in which they did."""
    failed: list[tuple[int, ErrorReport]] = []
    told = False
    deadline = float("inf")
    while True:
        if termination.requested.is_set() and not told:
            told = True
            _send(started, signal.SIGTERM)
        for process in started:
            if process.code and not process.seen:
                process.seen = True
                failed.append(process.reason())
                deadline = min(deadline, time.monotonic() + LEAVE_SECONDS)
        if all(process.code is not None for process in started):
            return failed
        if time.monotonic() > deadline:
            log.warning("processes that did not end within %.0f s are killed", LEAVE_SECONDS)
            _kill(started)
            return failed
        time.sleep(LOOK_SECONDS)


def _interrupt(started: Sequence[_Process]) -> None:
    """End the workers after Ctrl-C, or when not all could be started."""
    try:
        _send(started, signal.SIGINT)
        _ended(started, LEAVE_SECONDS)
    finally:  # a second Ctrl-C does not wait
        _kill(started)


def _send(started: Sequence[_Process], number: signal.Signals) -> None:
    for process in started:
        process.popen.send_signal(number)


def _ended(started: Sequence[_Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(process.code is None for process in started):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _kill(started: Sequence[_Process]) -> None:
    for process in started:
        process.popen.kill()
        process.popen.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
