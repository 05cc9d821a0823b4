"""gunicorn's worker for a script: its main thread runs the handlers, another one the event loop.

The main thread is the one in which Python runs signal handlers and which may set them. It is also
the thread in which ``model_fn`` has run, before or after the fork: a forked process keeps the
identifier of its main thread, so that objects bound to a thread (sqlite) stay usable.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
import time
from types import FrameType
from typing import ClassVar

from tabular.serving.scripted.calls import CallQueue
from tabular.serving.worker import PooledWorker

READ_BYTES = 4096
# A handler that has run for so long may run for much longer ...
LONG_SECONDS = 0.01
# ... and a worker that waits for this time gets a connection, if there is one.
OTHERS_FIRST_SECONDS = 0.003


class ScriptWorker(PooledWorker):
    """A worker whose lanes read and write, while its main thread runs the calls of a queue."""

    calls: ClassVar[CallQueue]

    def run(self) -> None:
        """Run the event loop in a thread, and the script's handlers in this one."""
        failures: list[BaseException] = []

        def loop() -> None:
            try:
                super(ScriptWorker, self).run()
            except BaseException as error:
                failures.append(error)
            finally:
                self.calls.close()

        # Python runs signal handlers between two byte codes of the main thread, which may be in a
        # library's code for minutes. The number of the signal is in this pipe at once.
        self.poller.register(self.PIPE[0], selectors.EVENT_READ, self._on_signal)
        # A daemon: what it still does when the handlers have ended is not waited for.
        threading.Thread(target=loop, name="events", daemon=True).start()
        self.calls.serve()
        if failures:
            raise failures[0]

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; leave it to an idle worker while a handler computes for long."""
        if self.calls.running_seconds() > LONG_SECONDS:
            time.sleep(OTHERS_FIRST_SECONDS)
        super().accept(listener)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once at SIGQUIT and SIGINT; a handler could catch SystemExit."""
        os._exit(0)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """End at once when the master finds this worker silent."""
        os._exit(1)

    def _on_signal(self, pipe: int) -> None:
        if signal.SIGTERM in os.read(pipe, READ_BYTES):
            self.handle_exit(signal.SIGTERM, None)


def script_worker(queue: CallQueue) -> type[ScriptWorker]:
    """Make the worker class that runs the calls of a queue."""

    class QueueWorker(ScriptWorker):
        calls = queue

    return QueueWorker
