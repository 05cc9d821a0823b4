"""Forbid actions that no prediction needs: reading a pickle, starting a program, connecting.

The unpickler and ``algorithms.sklearn.checks`` decide what a model may contain. A combination of
allowed parts that the checks do not know could still read a cache of pickles or start a program
during a prediction. Python's audit hooks (PEP 578) report such actions before they happen.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

FORBIDDEN = frozenset(
    {
        *("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
        *("os.forkpty", "pty.spawn", "subprocess.Popen", "socket.connect", "os.remove"),
        *("os.rename", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.move"),
    }
)


class ForbiddenActionError(RuntimeError):
    """A model tried an action that no prediction needs."""


class _Guarded(threading.local):
    depth = 0


_guarded = _Guarded()
_installing = threading.Lock()
_installed: list[bool] = []


@contextmanager
def guarded() -> Iterator[None]:
    """Raise ForbiddenActionError if this thread tries a forbidden action in the block."""
    if not _installed:
        with _installing:
            if not _installed:
                sys.addaudithook(_refuse)  # can't be removed again
                _installed.append(True)
    _guarded.depth += 1
    try:
        yield
    finally:
        _guarded.depth -= 1


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in FORBIDDEN and _guarded.depth:
        named = ".".join(map(str, arguments)) if event == "pickle.find_class" else ""
        raise ForbiddenActionError(f"the model tried {event} {named}".rstrip())
