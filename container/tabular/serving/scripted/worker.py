"""gunicorn's worker for a script: handlers in the main thread, the event loop in a second thread.

Only the main thread may set signal handlers, and Python runs them in the main thread. ``model_fn``
has run in the main thread too, before or after the fork: a forked process keeps the identifier of
its main thread, so objects bound to a thread, such as an sqlite connection, stay usable.
"""

from __future__ import annotations

import logging
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

log = logging.getLogger(__name__)

READ_BYTES = 4096
LAST_RESPONSES_SECONDS = 1.0
# A handler that has been running for this long may run much longer: the worker then waits before it
# accepts a connection, so that an idle worker accepts it first.
LONG_SECONDS = 0.01
OTHERS_FIRST_SECONDS = 0.003


class ScriptWorker(PooledWorker):
    """A worker whose main thread runs the calls of a queue; its thread pools read and write."""

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

        # Python runs signal handlers between two bytecodes of the main thread, which may be in a
        # library's code for minutes. gunicorn's wake-up pipe has the signal's number at once.
        self.poller.register(self.PIPE[0], selectors.EVENT_READ, self._on_signal)
        # A daemon thread: the process does not wait for it after the handlers have ended.
        threading.Thread(target=loop, name="events", daemon=True).start()
        self.calls.serve()
        if failures:
            raise failures[0]

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; while a handler runs long, let an idle worker accept it first."""
        if self.calls.running_seconds() > LONG_SECONDS:
            time.sleep(OTHERS_FIRST_SECONDS)
        super().accept(listener)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Exit at once at SIGQUIT and SIGINT; a handler could catch SystemExit."""
        os._exit(0)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """Exit at once if the master ends this worker because the worker is silent."""
        os._exit(1)

    def _on_signal(self, pipe: int) -> None:
        if signal.SIGTERM in os.read(pipe, READ_BYTES):
            self.handle_exit(signal.SIGTERM, None)


def end_soon() -> None:
    """End this worker, whose handler hangs, when its last responses are sent; another starts."""
    log.error(
        "a handler has run for longer than SAGEMAKER_MODEL_SERVER_TIMEOUT: a new worker starts"
    )
    timer = threading.Timer(LAST_RESPONSES_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()


def script_worker(queue: CallQueue) -> type[ScriptWorker]:
    """Return a worker class that runs the calls of a queue."""

    class QueueWorker(ScriptWorker):
        calls = queue

    return QueueWorker
