"""Run an optional step of a job in a separate process.

The model is saved before the step begins. The job succeeds even if the step runs out of memory,
finds the disk full, crashes, or still runs at the end of the grace period after SIGTERM.

The process is a new interpreter, not a fork, because the threads of XGBoost, OpenMP and pyarrow do
not survive a fork.
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
from tabular.contract.machine import (
    MEBIBYTE,
    is_out_of_memory,
    memory_left,
    text_means_out_of_memory,
)
from tabular.contract.termination import Termination
from tabular.data.batch import Floats

log = logging.getLogger(__name__)

# Python with numpy, XGBoost and ONNX takes 46 MiB, and maps 50 MiB of libraries, most of which are
# shared with this process. With 88 MiB the imports did not end.
LEAST_BYTES = 96 * MEBIBYTE
# RLIMIT_DATA counts reserved memory. OpenBLAS's buffers and stacks reserve 80 MiB and never use it.
UNTOUCHED_BYTES = 80 * MEBIBYTE
# If OpenBLAS gets no memory at import, it retries without end. The imports take at most 3 s of
# processor time. A process that waits for memory takes little processor time, so wall-clock time
# is limited too.
IMPORT_CPU_SECONDS, IMPORT_SECONDS = 20, 60
# The step is stopped this long before the grace period after SIGTERM ends.
MARGIN_SECONDS = 10.0
# Compiling 1.5 million nodes takes 3 minutes. A step that takes longer than 600 s does not end.
LONGEST_SECONDS = 600.0
POLL_SECONDS = 0.2
# If memory is full of data, the kernel may not kill a process. It drops the pages of libraries and
# reads the pages again at each use (major faults): a step in 160 MiB did not end within 5 minutes.
# The start of a process takes up to 1,000 major faults.
MOST_FAULTS = 20_000
# The kernel kills this process first when the container's memory is full (proc(5)).
OOM_SCORE = 1000
PR_SET_PDEATHSIG = 1
REASON_CHARACTERS = 400
OUT_OF_MEMORY = "out of memory"
# SIGXCPU and SIGALRM end an import that waits for memory.
MEMORY_SIGNALS = (signal.SIGKILL, signal.SIGABRT, signal.SIGXCPU, signal.SIGALRM)


class StepError(Exception):
    """An optional step failed. The message is the reason."""


def run_step(
    step: str,
    arguments: Mapping[str, Any],
    rows: Floats,
    termination: Termination,
) -> Any:
    """Call ``step(rows=rows, **arguments)`` in a separate process, and return its result.

    The process may take all memory that is left. It is killed shortly before the grace period after
    SIGTERM ends.

    Parameters
    ----------
    step : str
        ``module:function``. Only the separate process imports the module. The result has JSON
        types only.
    arguments : mapping of str to object
        At most a few kB; JSON types only.
    rows : float32 array, (rows, columns)
        Sent through the standard input of the process, not through a file.

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
        step, str(left + UNTOUCHED_BYTES), str(IMPORT_CPU_SECONDS), str(IMPORT_SECONDS),
        json.dumps(rows.shape), json.dumps(arguments),
    ]
    # fmt: on
    environment = {
        **os.environ,
        # OpenBLAS reserves memory for each thread, also before the thread starts.
        "OPENBLAS_NUM_THREADS": "1",
        # glibc reserves an arena for each thread.
        "MALLOC_ARENA_MAX": "2",
    }
    try:
        process = subprocess.Popen(  # noqa: S603 - our own code, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=0,  # Ctrl-C reaches only the parent, which kills this process
        )
    except OSError as error:
        raise StepError(f"its process can't be started ({error.strerror})") from error
    with process:
        try:
            sending = threading.Thread(target=_send, args=(process.stdin, rows), daemon=True)
            process.stdin = None  # otherwise communicate() closes stdin
            sending.start()
            answer_text, stderr = _communicate(process, termination, left)
        finally:
            process.kill()
    if process.returncode == 0:
        with suppress(ValueError):
            answer = json.loads(answer_text)
            if "reason" in answer:
                raise StepError(_with_memory(answer["reason"], left))
            return answer["result"]
    raise StepError(_with_memory(_reason_of_end(process.returncode, stderr), left))


def _send(pipe: IO[bytes], rows: Floats) -> None:
    with suppress(OSError), pipe:  # the process may end before it has read all rows
        pipe.write(rows.data.cast("B"))


def _communicate(
    process: subprocess.Popen[bytes], termination: Termination, memory: int
) -> tuple[bytes, bytes]:
    started = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=POLL_SECONDS)
        left = termination.seconds_left
        if left is not None and left < MARGIN_SECONDS:
            seconds = termination.grace_seconds - left
            raise StepError(f"SIGTERM came, and the step did not end within {seconds:.0f} s")
        if _faults(process.pid) > MOST_FAULTS:
            raise StepError(_with_memory(OUT_OF_MEMORY, memory))
        if time.monotonic() - started > LONGEST_SECONDS:
            raise StepError(f"the step did not end within {LONGEST_SECONDS:.0f} s")


def _faults(process: int) -> int:
    """Return the number of a process's major page faults: pages that were read from a disk."""
    with suppress(OSError):
        # proc(5): majflt is the tenth field after the name, which may contain spaces and ")".
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[9])
    return 0


def _reason_of_end(status: int, stderr: bytes) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        memory = f": {OUT_OF_MEMORY}" if -status in MEMORY_SIGNALS else ""
        return f"its process ended with {name}{memory}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if text_means_out_of_memory(last):
        return OUT_OF_MEMORY
    return last[:REASON_CHARACTERS] or f"its process ended with status {status}"


def _with_memory(reason: str, left: int) -> str:
    if reason.endswith(OUT_OF_MEMORY):
        return f"{reason} ({left // MEBIBYTE} MiB were left)"
    return reason


def main(arguments: Sequence[str]) -> int:
    """Run the step that ``run_step`` names, and write its result or the reason to stdout."""
    name, memory, cpu_seconds, seconds, shape, given = arguments
    _limit(int(memory))
    _limit_cpu(int(cpu_seconds))
    signal.alarm(int(seconds))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the answer
    answer: dict[str, Any]
    try:
        rows = _received(json.loads(shape))
        module, _, function = name.partition(":")
        step = getattr(import_module(module), function)
        _reserve_blas_buffers()
        _limit_cpu(resource.RLIM_INFINITY)
        signal.alarm(0)
        answer = {"result": step(rows=rows, **json.loads(given))}
    except Exception as error:
        answer = {"reason": _reason_of(error)}
    json.dump(answer, answers)
    answers.flush()
    return 0


def _reason_of(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if is_out_of_memory(cause):
            return OUT_OF_MEMORY
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, JobError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:REASON_CHARACTERS]


def _limit(memory: int) -> None:
    """Limit memory, set the OOM score, and let the kernel kill this process with its parent."""
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(f"{OOM_SCORE}")
    for what, limit in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (limit if hard < 0 else min(limit, hard), hard))


def _reserve_blas_buffers() -> None:
    """Make OpenBLAS reserve its buffers now. Later, without memory, it would retry without end."""
    square = np.ones((2, 2))
    np.dot(square, square)
    if "scipy" in sys.modules:  # SciPy has its own OpenBLAS
        from scipy.linalg import blas

        blas.dgemm(1.0, square, square)


def _limit_cpu(seconds: int) -> None:
    """Set the processor time after which the kernel ends this process with SIGXCPU."""
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
    # Unloading numpy, XGBoost and ONNX would take longer than compiling a small model.
    sys.stderr.flush()
    os._exit(status)
