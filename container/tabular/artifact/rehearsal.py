"""Load a file of unknown origin in a process of its own first, which may die of it.

A truncated model makes XGBoost 3.2 raise, abort, or take all memory, by where it ends; a pickle
of a few bytes can ask for any amount of memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tabular.contract.errors import UserError

# What loading may take, in seconds of processor time and in bytes. 100 MB load within one
# second, and take less than ten times their size in memory; importing scikit-learn takes 2 s.
SECONDS = 20
BYTES_PER_SECOND = 10_000_000
MEMORY = 1 << 30
MEMORY_PER_BYTE = 20
# A status of its own tells our words from Python's.
REFUSED = 3
REHEARSAL = f"""
import resource, sys
module, name, path, seconds, memory = sys.argv[1:]
for what, limit in ((resource.RLIMIT_CPU, int(seconds)), (resource.RLIMIT_DATA, int(memory)),
                    (resource.RLIMIT_CORE, 0)):
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (limit if hard < 0 else min(limit, hard), hard))
from importlib import import_module
from pathlib import Path
from tabular.contract.errors import UserError
try:
    getattr(import_module(module), name)(Path(path))
except UserError as error:
    print(error)
    sys.exit({REFUSED})
"""


def rehearse(load: Callable[[Path], object], path: Path) -> None:
    """Call ``load(path)`` in a process with limits.

    Parameters
    ----------
    load : callable
        A function of a module, found by its name; raises UserError for what it refuses.

    Raises
    ------
    UserError
        That of ``load``, or the process died or did not end within its time and memory.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    seconds = SECONDS + size // BYTES_PER_SECOND
    memory = MEMORY + MEMORY_PER_BYTE * size
    command = [sys.executable, "-P", "-c", REHEARSAL, load.__module__, load.__name__]
    try:
        ended = subprocess.run(  # noqa: S603 - our own code, no shell
            [*command, str(path), str(seconds), str(memory)],
            # OpenBLAS takes memory for each thread that it could start.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            timeout=10 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _broken(path, f"loading it did not end within {10 * seconds} s") from error
    if ended.returncode == REFUSED:
        raise UserError(ended.stdout.decode(errors="replace").strip())
    if ended.returncode != 0:
        raise _broken(path, _how(ended.returncode, ended.stderr))


def _how(status: int, stderr: bytes) -> str:
    if status < 0:
        return f"loading it ended with {signal.Signals(-status).name}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"loading it failed: {last[:300] or f'status {status}'}"


def _broken(path: Path, how: str) -> UserError:
    return UserError(
        f"{path} is not a model that can be loaded: {how}; it is truncated, or something else: "
        "unpack model.tar.gz again, or save the model again"
    )
