"""Load a described model within a deadline, in the process that serves it.

A model without a manifest is loaded in a process of its own first, which can be ended. One that
its manifest describes is not, for it would take ten times as long; if it does not end, the caller
goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from tabular.contract.errors import OutOfTimeError

T = TypeVar("T")
# What a model without a manifest has at the most, by the clock (artifact/rehearsal.py).
SECONDS = 60.0


def within_deadline(load: Callable[[], T], what: object, seconds: float = SECONDS) -> T:
    """Call a function in a thread, and return what it returns or raise what it raises.

    Parameters
    ----------
    what : object
        What is loaded, for the message.

    Raises
    ------
    OutOfTimeError
        It did not end in time; its thread is left behind.
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
