"""Steps for ``test_optional_step``: what each does in its process."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import PlatformError


def add(rows: npt.NDArray[np.float32], more: float) -> dict[str, Any]:
    print("a library prints")
    return {"sum": float(rows.sum()) + more, "shape": rows.shape, "process": os.getpid()}


def take_memory(rows: Any) -> int:
    return len(bytearray(1 << 60))


def refuse(rows: Any) -> None:
    raise PlatformError("/somewhere can't be written")


def fail(rows: Any) -> None:
    raise KeyError("odd")


def crash(rows: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def end(rows: Any) -> None:
    print("the last words", file=sys.stderr)
    sys.stderr.flush()
    os._exit(7)


def hang(rows: Any) -> None:
    time.sleep(600)
