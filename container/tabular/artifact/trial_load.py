"""Load a model of unknown origin in a separate process first, so that the server survives.

XGBoost 3.2 raises, aborts or takes all memory for a truncated model. A pickle of a few bytes can
request any amount of memory. An ONNX graph can contain an endless loop.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tabular.contract.errors import OutOfMemoryError, OutOfTimeError, UserError
from tabular.contract.machine import memory_left

# Limits of the load: seconds of processor time, and bytes. A model of 100 MB loads within 1 s and
# takes less than ten times its file size in memory. The import of scikit-learn takes 2 s.
SECONDS = 20
BYTES_PER_SECOND = 10_000_000
# A sparse file can have any size.
MOST_SECONDS = 300
MEMORY = 1 << 30
MEMORY_PER_BYTE = 20
# Seconds of wall-clock time for each second of processor time: a load that sleeps is killed too.
# The factor 3 is sufficient for a container with half a processor.
WALL_CLOCK_FACTOR = 3
# The import of the libraries takes this much memory.
LEAST_MEMORY = 256 << 20
# Exit codes of the process. Python itself exits with 1 or 2.
REFUSED, NO_MEMORY = 3, 4
PROGRAM = f"""
import resource, sys
module, name, path, seconds, memory = sys.argv[1:]
for what, limit in ((resource.RLIMIT_CPU, int(seconds)), (resource.RLIMIT_DATA, int(memory)),
                    (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (limit if hard < 0 else min(limit, hard), hard))
try:
    # When the container has no memory left, the kernel kills this process and not the server.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
except OSError:
    pass
from importlib import import_module
from pathlib import Path
from tabular.contract.errors import UserError
from tabular.contract.sandbox import confine
try:
    load = getattr(import_module(module), name)
    confine(writable=())
    load(Path(path))
except UserError as error:
    print(error)
    sys.exit({REFUSED})
except MemoryError:
    sys.exit({NO_MEMORY})
"""


def trial_load(load: Callable[[Path], object], path: Path) -> None:
    """Call ``load(path)`` in a process with limits. The process can't write files or connect.

    Parameters
    ----------
    load : callable
        A module-level function. It raises UserError to refuse the file.

    Raises
    ------
    UserError
        ``load`` refused the file, or the process died.
    OutOfTimeError, OutOfMemoryError
        The process exceeded its limit of time or memory.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    seconds = min(SECONDS + size // BYTES_PER_SECOND, MOST_SECONDS)
    memory = max(LEAST_MEMORY, min(MEMORY + MEMORY_PER_BYTE * size, memory_left()))
    command = [sys.executable, "-P", "-c", PROGRAM, load.__module__, load.__name__]
    with subprocess.Popen(  # noqa: S603 - our own code, no shell
        [*command, str(path), str(seconds), str(memory)],
        # OpenBLAS reserves memory for each thread, also before the thread starts.
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            output, errors = process.communicate(timeout=WALL_CLOCK_FACTOR * seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise OutOfTimeError(_too_slow(path, WALL_CLOCK_FACTOR * seconds)) from error
    status = process.returncode
    if status == REFUSED:
        raise UserError(output.decode(errors="replace").strip())
    if status == -signal.SIGXCPU:
        raise OutOfTimeError(_too_slow(path, seconds))
    if status in (NO_MEMORY, -signal.SIGKILL) or _lacked_memory(errors):
        raise OutOfMemoryError(
            f"{path} can't be served: loading it and its first prediction took more than "
            f"{memory >> 20} MiB of memory; give the container more memory, or save the model again"
        )
    if status != 0:
        raise _not_loadable(path, _reason_of(status, errors))


def _too_slow(path: Path, seconds: int) -> str:
    return (
        f"{path} can't be served: loading it and its first prediction did not end within "
        f"{seconds} s; look for a loop without an end, and save the model again"
    )


def _lacked_memory(stderr: bytes) -> bool:
    return any(message in stderr for message in (b"MemoryError", b"std::bad_alloc"))


def _reason_of(status: int, stderr: bytes) -> str:
    if status < 0:
        return f"loading it ended with {signal.Signals(-status).name}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"loading it failed: {last[:300] or f'status {status}'}"


def _not_loadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a model that can be loaded: {reason}; it is truncated or not a model; "
        "unpack model.tar.gz again, or save the model again"
    )
