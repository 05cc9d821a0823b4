"""Forbid what no prediction of an estimator needs: to read a pickle, to start a program.

The unpickler and ``sound_estimators`` decide what a model may hold. Methods of scikit-learn that
a prediction calls may still lead to a cache of pickles or to a program, by an arrangement that the
checks do not know. Python's audit hooks (PEP 578) report both before they happen.
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
    """An estimator did what no prediction needs."""


class _Guarded(threading.local):
    depth = 0


_guarded = _Guarded()
_installing = threading.Lock()
_installed: list[bool] = []


@contextmanager
def guarded() -> Iterator[None]:
    """Raise ``ForbiddenActionError`` for a forbidden action of this thread while the body runs."""
    if not _installed:
        with _installing:
            if not _installed:
                sys.addaudithook(_refuse)  # stays until the process ends
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
