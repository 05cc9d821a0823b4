"""A local endpoint in the foreground, deleted at Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from sagemaker_tabular.containers import ENDPOINT_LABEL, find_by_label, wait_until_stopped
from sagemaker_tabular.deletion import delete

if TYPE_CHECKING:
    from sagemaker.model import Model


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, and hide the traceback of the SDK's thread that runs Compose."""
    former = signal.signal(signal.SIGTERM, _interrupt)
    hook, threading.excepthook = threading.excepthook, _quiet_compose
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
        threading.excepthook = hook


def wait_and_delete(model: Model) -> None:
    """Wait until a local endpoint is interrupted or its container stops; then delete it.

    Call this inside :func:`interruptible`.
    """
    name = str(model.endpoint_name)
    try:
        wait_until_stopped(find_by_label(ENDPOINT_LABEL, name))
    except KeyboardInterrupt:
        pass
    finally:
        # A second Ctrl-C would interrupt the deletion, and the container would stay.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        delete(name, session=model.sagemaker_session)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _quiet_compose(failure: threading.ExceptHookArgs) -> None:
    if not isinstance(failure.exc_value, RuntimeError):
        threading.__excepthook__(failure)
