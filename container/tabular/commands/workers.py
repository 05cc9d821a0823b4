"""Start a worker process for each GPU, forward SIGTERM, and report one error for all workers.

Workers share standard output and standard error with this process. Each worker writes its error
into its own pipe. Only this process writes the failure file.
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
from tabular.contract.machine import memory_advice
from tabular.contract.termination import EXIT_CODE, Scope, Termination
from tabular.contract.worker import Worker

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "tabular.commands.train")
POLL_SECONDS = 0.1
# After a failure the other workers are notified within seconds, and exit.
EXIT_SECONDS = 60.0
# After ``termination.GRACE_SECONDS`` the workers save the model. SIGKILL comes at 120 s.
SAVE_SECONDS = 15.0
# A pipe's buffer has 64 KiB.
DETAILS_CHARACTERS = 10_000
PIPE_BYTES = 1 << 20


def report_to_parent(report: ErrorReport, worker: Worker, caused_elsewhere: bool) -> int:
    """Write a worker's error into its pipe, and return the exit code.

    Parameters
    ----------
    caused_elsewhere : bool
        Whether another worker or host failed first and caused this error.
    """
    details = report.details[-DETAILS_CHARACTERS:]
    message = {**asdict(report), "details": details, "caused_elsewhere": caused_elsewhere}
    text = json.dumps(message, ensure_ascii=False)
    with suppress(OSError):  # the parent process has ended
        os.write(worker.report_pipe, text.encode(errors="backslashreplace"))
    return report.exit_code


def run_workers(
    devices: Sequence[str], single_host: bool, termination: Termination
) -> ErrorReport | None:
    """Train with one worker for each device, and wait for all workers.

    Parameters
    ----------
    devices : sequence of str
        Such as ``cuda:0``.
    single_host : bool
        Whether the job has one host. Its workers connect on a free port of this host.
    termination : Termination
        SIGTERM is forwarded to the workers. This process exits after the workers.

    Returns
    -------
    ErrorReport or None
        The error of the job; None when it succeeded.
    """
    started: list[_Process] = []

    def wait_for_saving() -> None:
        # The grace period of the workers is over too, and they save the model. When the workers
        # have exited, the main thread ends this process.
        time.sleep(SAVE_SECONDS)
        raise TimeoutError("the processes of the GPUs did not end")

    with termination.scope(Scope(deferred=True, on_timeout=wait_for_saving)):
        port = _free_port() if single_host else 0
        try:
            for local_rank, device in enumerate(devices):
                started.append(_start(local_rank, len(devices), device, port))
            log.info("training on %s, with a process for each", ", ".join(devices))
            failed = _watch(started, termination)
        except BaseException:
            _interrupt(started)
            raise
    if termination.requested.is_set() and {p.code for p in started} == {0, EXIT_CODE}:
        # One worker has saved the model and exited with 0. The other workers exited with 143 at
        # the end of their grace period.
        return None
    return min(failed, key=lambda found: found[0])[1] if failed else None


@dataclass
class _Process:
    """A worker process that this process has started."""

    worker: Worker
    popen: subprocess.Popen[bytes]
    pipe: int
    failure_seen: bool = field(default=False)

    @property
    def code(self) -> int | None:
        return self.popen.poll()

    def reason(self) -> tuple[int, ErrorReport]:
        """Return the rank and the error report. The report of the lowest rank is the cause."""
        with suppress(OSError, ValueError):
            message = json.loads(os.read(self.pipe, PIPE_BYTES))
            rank = 1 if message.pop("caused_elsewhere") else 0
            # After SIGTERM a worker exits with 143, not with the exit code of PlatformError.
            return rank, ErrorReport(**{**message, "exit_code": self.code})
        name, code = (
            f"the process of GPU {self.worker.local_rank} ({self.worker.device})",
            self.code,
        )
        if code is not None and code < 0:
            cause = signal.Signals(-code).name
            cure = (
                f"probably out of memory: {memory_advice()}"
                if -code == signal.SIGKILL
                else "see the log"
            )
            return 0, describe_error(PlatformError(f"{name} was killed by {cause}; {cure}"))
        return 2, describe_error(
            PlatformError(f"{name} ended with exit code {code} without a reason; see the log")
        )


def _start(local_rank: int, count: int, device: str, port: int) -> _Process:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    worker = Worker(local_rank, count, device, port, writing)
    try:
        # The worker inherits the signal mask, which blocks SIGTERM, so that no SIGTERM is lost
        # before the worker listens. The worker has its own process group, so the terminal's Ctrl-C
        # does not reach it; `_interrupt` sends SIGINT.
        popen = subprocess.Popen(  # noqa: S603 our own program
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
    """Wait for all workers. Return rank and report of each failure, in order of time."""
    failed: list[tuple[int, ErrorReport]] = []
    forwarded = False
    deadline = float("inf")
    while True:
        if termination.requested.is_set() and not forwarded:
            forwarded = True
            _send(started, signal.SIGTERM)
        for process in started:
            if process.code and not process.failure_seen:
                process.failure_seen = True
                failed.append(process.reason())
                deadline = min(deadline, time.monotonic() + EXIT_SECONDS)
        if all(process.code is not None for process in started):
            return failed
        if time.monotonic() > deadline:
            log.warning("processes that did not end within %.0f s are killed", EXIT_SECONDS)
            _kill(started)
            return failed
        time.sleep(POLL_SECONDS)


def _interrupt(started: Sequence[_Process]) -> None:
    """End all workers after Ctrl-C, or when one of them could not be started."""
    try:
        _send(started, signal.SIGINT)
        _wait(started, EXIT_SECONDS)
    finally:  # also after a second Ctrl-C
        _kill(started)


def _send(started: Sequence[_Process], number: signal.Signals) -> None:
    for process in started:
        process.popen.send_signal(number)


def _wait(started: Sequence[_Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.code is None for process in started) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _kill(started: Sequence[_Process]) -> None:
    for process in started:
        process.popen.kill()
        process.popen.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
