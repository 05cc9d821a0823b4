"""Run a step that the job can do without in a process of its own.

The model is saved before such a step begins. The step may run out of memory, find the disk full,
crash or still run when the time after SIGTERM is over: none of it ends the job.

The process is a fresh interpreter and no fork: XGBoost, OpenMP and pyarrow have threads here,
which a fork would lose.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from tabular.contract.errors import JobError
from tabular.contract.machine import MEBIBYTE, memory_left
from tabular.contract.termination import Termination
from tabular.data.batch import Floats

log = logging.getLogger(__name__)

# Python with numpy, XGBoost and ONNX takes 46 MiB of its own and maps 50 MiB of libraries, most of
# which this process has mapped too.
LEAST_BYTES = 64 * MEBIBYTE
# RLIMIT_DATA counts what is asked for. 80 MiB of it are never touched: OpenBLAS's buffers, stacks.
UNTOUCHED_BYTES = 80 * MEBIBYTE
# OpenBLAS that gets no memory when it is imported asks again for ever. Importing takes 3 s at most.
IMPORT_CPU_SECONDS = 20
# The step is stopped this long before the grace after SIGTERM ends.
MARGIN_SECONDS = 10.0
# A step that takes longer is stuck: compiling 1.5 million nodes takes 3 minutes.
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 0.2
# When memory is full of data, the kernel drops the pages of libraries and reads them again at each
# use, instead of ending a process: a step in 160 MiB did not end within 5 minutes. Starting
# takes up to 1,000 such reads (major faults).
MOST_FAULTS = 20_000
# The first that the kernel kills when the container's memory is full (proc(5)).
OOM_SCORE = 1000
PR_SET_PDEATHSIG = 1
REASON_CHARACTERS = 400
# What C++ says, by way of XGBoost and ONNX Runtime, and the loader of libraries.
OF_MEMORY = ("MemoryError", "bad_alloc", "bad allocation", "llocate memory", "nable to allocate")
OUT_OF_MEMORY = "out of memory"
MEMORY_SIGNALS = (signal.SIGKILL, signal.SIGABRT, signal.SIGXCPU)


class StepError(Exception):
    """An optional step did not come to its end; the message says why."""


def run_step(
    step: str,
    arguments: Mapping[str, Any],
    rows: Floats,
    termination: Termination,
) -> Any:
    """Call a function as ``step(rows=rows, **arguments)`` in a process and return its result.

    The process may take the memory that is left, and runs until shortly before the grace after
    SIGTERM ends.

    Parameters
    ----------
    step : str
        ``module:function``; this process does not import what the step needs. The result goes
        through JSON.
    arguments : mapping of str to object
        What JSON can hold, a few kB of it.
    rows : float32 array, (rows, columns)
        Written to the process's standard input: no disk is needed.

    Raises
    ------
    StepError
        The step raised an exception, died, or ran out of memory or time.
    """
    left = memory_left()
    if left < LEAST_BYTES:
        raise StepError(f"{max(0, left) // MEBIBYTE} MiB of memory are left, too few to begin")
    rows = np.ascontiguousarray(rows, np.float32)
    # fmt: off
    command = [
        sys.executable, "-P", "-m", __name__,
        step, str(left + UNTOUCHED_BYTES), str(IMPORT_CPU_SECONDS), json.dumps(rows.shape),
        json.dumps(arguments),
    ]
    # fmt: on
    environment = {
        **os.environ,
        # OpenBLAS takes memory for each thread that it could start.
        "OPENBLAS_NUM_THREADS": "1",
        # glibc takes an arena for each thread.
        "MALLOC_ARENA_MAX": "2",
    }
    try:
        process = subprocess.Popen(  # noqa: S603 - our own code, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=0,  # Ctrl-C reaches this process alone, which ends the other
        )
    except OSError as error:
        raise StepError(f"its process can't be started ({error.strerror})") from error
    with process:
        try:
            sending = threading.Thread(target=_send, args=(process.stdin, rows), daemon=True)
            process.stdin = None  # communicate() would close it, and sends nothing once it waited
            sending.start()
            said, stderr = _communicate(process, termination, left)
        finally:
            process.kill()
    if process.returncode == 0:
        with suppress(ValueError):
            answer = json.loads(said)
            if "reason" in answer:
                raise StepError(_with_memory(answer["reason"], left))
            return answer["result"]
    raise StepError(_with_memory(_how(process.returncode, stderr), left))


def _send(pipe: IO[bytes], rows: Floats) -> None:
    with suppress(OSError), pipe:  # the process may end before it has read them
        pipe.write(rows.data.cast("B"))


def _communicate(
    process: subprocess.Popen[bytes], termination: Termination, memory: int
) -> tuple[bytes, bytes]:
    started = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=LOOK_SECONDS)
        left = termination.seconds_left
        if left is not None and left < MARGIN_SECONDS:
            seconds = termination.grace_seconds - left
            raise StepError(f"SIGTERM came, and {seconds:.0f} s later it had not ended")
        if _faults(process.pid) > MOST_FAULTS:
            raise StepError(_with_memory(OUT_OF_MEMORY, memory))
        if time.monotonic() - started > LONGEST_SECONDS:
            raise StepError(f"it had not ended after {LONGEST_SECONDS:.0f} s")


def _faults(process: int) -> int:
    """Count the pages that a process had to read from a disk."""
    with suppress(OSError):
        # proc(5): after the name, which may hold spaces and ")", the tenth is majflt.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[9])
    return 0


def _how(status: int, stderr: bytes) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        memory = f": {OUT_OF_MEMORY}" if -status in MEMORY_SIGNALS else ""
        return f"its process ended with {name}{memory}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if any(word in last for word in OF_MEMORY):
        return OUT_OF_MEMORY
    return last[:REASON_CHARACTERS] or f"its process ended with status {status}"


def _with_memory(reason: str, left: int) -> str:
    if reason.endswith(OUT_OF_MEMORY):
        return f"{reason} ({left // MEBIBYTE} MiB were left)"
    return reason


def main(arguments: Sequence[str]) -> int:
    """Run the step that ``run_step`` names, and write its result or the reason to stdout."""
    name, memory, seconds, shape, given = arguments
    _limit(int(memory))
    _limit_cpu(int(seconds))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    answer: dict[str, Any]
    try:
        rows = _received(json.loads(shape))
        module, _, function = name.partition(":")
        step = getattr(import_module(module), function)
        _have_blas_ready()
        _limit_cpu(resource.RLIM_INFINITY)
        answer = {"result": step(rows=rows, **json.loads(given))}
    except Exception as error:
        answer = {"reason": _reason_of(error)}
    json.dump(answer, answers)
    answers.flush()
    return 0


def _reason_of(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(word in str(cause) for word in OF_MEMORY):
            return OUT_OF_MEMORY
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, JobError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:REASON_CHARACTERS]


def _limit(memory: int) -> None:
    """Let this process fail before the one that started it does, and end with that one."""
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(f"{OOM_SCORE}")
    for what, limit in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (limit if hard < 0 else min(limit, hard), hard))


def _have_blas_ready() -> None:
    """Let OpenBLAS take its buffers: where it gets none, it asks again without an end."""
    square = np.ones((2, 2))
    np.dot(square, square)
    if "scipy" in sys.modules:  # which has an OpenBLAS of its own
        from scipy.linalg import blas

        blas.dgemm(1.0, square, square)


def _limit_cpu(seconds: int) -> None:
    """Set the processor time after which the kernel ends this process, by SIGXCPU."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = hard if seconds == resource.RLIM_INFINITY else seconds
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _received(shape: Sequence[int]) -> Floats:
    rows = np.empty(shape, np.float32)
    space = rows.data.cast("B")
    while space:
        count = os.readv(sys.stdin.fileno(), [space])
        if not count:
            raise EOFError("the rows ended early")
        space = space[count:]
    return rows


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Taking numpy, XGBoost and ONNX down takes longer than a small model to compile.
    sys.stderr.flush()
    os._exit(status)
