"""Load a model that a manifest describes within a deadline, in the process that serves it.

A model without a manifest is first loaded in a separate process, which can be killed. For a model
with a manifest, a separate process would take ten times as long. Such a model is loaded in a
thread; if the deadline passes, the caller continues without waiting for the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from tabular.contract.errors import OutOfTimeError

T = TypeVar("T")
# The same as for a model without a manifest (artifact/trial_load.py).
SECONDS = 60.0


def within_deadline(load: Callable[[], T], what: object, seconds: float = SECONDS) -> T:
    """Call a function in a thread; return its result or raise its exception.

    Parameters
    ----------
    what : object
        The model's name in the error message.

    Raises
    ------
    OutOfTimeError
        The function did not return in time; its thread continues.
    """
    made: list[T] = []
    failed: list[BaseException] = []

    def call() -> None:
        try:
            made.append(load())
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=call, name="load-within", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not made:
        raise OutOfTimeError(
            f"{what} can't be served: loading it did not end within {seconds:.0f} s; unpack "
            "model.tar.gz again, or train again"
        )
    return made[0]
