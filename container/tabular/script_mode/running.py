"""Run the customer's training script, forward SIGTERM to the script, and raise its failure.

The script inherits this process's standard output. Its standard error is copied and its end is
kept, because the last lines of standard error explain a failure.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.termination import Scope, Termination
from tabular.script_mode.entry_point import Command
from tabular.script_mode.script_errors import script_error

STDERR = 2
# The first process of a container.
INIT = 1
TAIL_BYTES = 65_536
# SageMaker sends SIGKILL 120 s after SIGTERM. 5 s remain to write the failure file.
GRACE_SECONDS = 115.0
TIMED_OUT = "stopped by SIGTERM: the script did not end within {seconds:.0f} s after it"
# The script's remaining child processes are killed. A process in another process group may keep
# stderr open: stop reading after this time.
DRAIN_SECONDS = 5.0
INTERRUPT_SECONDS = REPORT_SECONDS = 10.0


def run(command: Command, code: Path, environ: Mapping[str, str], termination: Termination) -> None:
    """Run a script in the folder ``code``, and wait until the script ends.

    Raises
    ------
    ScriptError
        The exit code of the script is not 0.
    UserError
        The script can't be started.
    """
    with termination.scope(
        Scope(deferred=True, timeout_reason=TIMED_OUT, grace_seconds=GRACE_SECONDS)
    ):
        process = _start(command, code, environ)
        try:
            status, stderr = _watch(process, termination, command.signals_all)
        finally:
            _send(process, signal.SIGKILL, group=True)
    if status:
        raise script_error(status, stderr, code, termination.requested.is_set())


def _watch(
    process: subprocess.Popen[bytes], termination: Termination, signals_all: bool
) -> tuple[int, str]:
    """Wait for the script, forward SIGTERM, and return the script's status and last stderr."""
    tail = _Tail(process)
    killed = threading.Event()

    def forward() -> None:
        _send(process, signal.SIGTERM, group=signals_all)

    def kill() -> None:
        killed.set()
        _send(process, signal.SIGKILL, group=True)

    with termination.scope(Scope(forward=forward, before_exit=kill)):
        try:
            status = _wait(process)
        except KeyboardInterrupt:
            _interrupt(process)
            tail.read()  # the script's last lines reach the log before this process ends
            raise
        if killed.is_set():  # the thread that called `kill` reports the reason and exits
            threading.Event().wait(REPORT_SECONDS)
    # Remaining child processes of the script would keep its standard error open.
    _send(process, signal.SIGKILL, group=True)
    return status, tail.read()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the script. As PID 1, wait for orphaned processes too.

    The kernel makes PID 1 the parent of every orphan. An orphan that has ended stays a zombie until
    PID 1 waits for it, and zombies count against the limit of processes. The script is the only
    child that this process starts.
    """
    while os.getpid() == INIT:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        if ended is None or ended.si_pid == process.pid:
            break
        with suppress(ChildProcessError):
            os.waitpid(ended.si_pid, 0)
    return process.wait()


def _start(command: Command, code: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    def unblock() -> None:
        # ``Termination.listen`` has blocked SIGTERM in this process, and a child inherits the mask.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    try:
        return subprocess.Popen(  # noqa: S603 the customer's own program
            command.argv,
            cwd=code,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            # Safe: the only other thread waits for SIGTERM and holds no lock.
            preexec_fn=unblock,
        )
    except ValueError as error:  # a null byte, or half a surrogate pair
        raise UserError(
            f"a hyperparameter or a variable of the job can't be given to the program: {error}; "
            "expected text without null bytes"
        ) from error
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise UserError(
                "the hyperparameters are too long for a program's arguments and variables: Linux "
                "allows 128 KiB for each, and SM_HPS has all of them; put long values into a file"
            ) from error
        raise UserError(
            f"{command.argv[0]} can't be started: {error.strerror}; its first line must name a "
            "program that the image has, such as #!/bin/bash, with a Unix line end"
        ) from error


class _Tail:
    """Copies the standard error of a process to our standard error, and keeps the last bytes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 because of stderr=PIPE
        self._source = process.stderr
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._copy, name="stderr", daemon=True)
        self._thread.start()

    def read(self) -> str:
        """Wait until the process has closed its standard error, and return the last bytes."""
        self._thread.join(DRAIN_SECONDS)
        return bytes(self._kept[-TAIL_BYTES:]).decode(errors="replace")

    def _copy(self) -> None:
        while chunk := self._source.read(TAIL_BYTES):
            self._kept += chunk
            if len(self._kept) > 4 * TAIL_BYTES:
                del self._kept[:-TAIL_BYTES]
            with suppress(OSError):  # our standard error is closed; the script must not block
                while chunk:
                    chunk = chunk[os.write(STDERR, chunk) :]


def _send(process: subprocess.Popen[bytes], number: signal.Signals, group: bool) -> None:
    """Send a signal to the process alone, or to its whole process group."""
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Send SIGINT to the script, and wait until it ends.

    The script has its own process group, so the terminal's Ctrl-C does not reach it.
    """
    _send(process, signal.SIGINT, group=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(INTERRUPT_SECONDS)
