"""gunicorn around the application: workers, threads, and a lane that is always free.

The model is loaded before the workers are forked, so they share its memory, and a broken one
ends ``serve`` before anything listens. The models of a multi-model endpoint are loaded in its
one worker.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer

from tabular.contract.endpoint import Endpoint
from tabular.serving.limits import limits_of, most_connections
from tabular.serving.logs import ServerLogger
from tabular.serving.worker import MultiModelWorker, PooledWorker

# Prediction threads in each worker. XGBoost lets go of Python's lock while it predicts; more
# than one thread keeps small requests from waiting behind a large one.
THREADS = 4
# A multi-model endpoint has one process for all processors.
MOST_THREADS = 32
# A poll loop that is silent for so long is stuck; on a busy machine it may wait for seconds.
LEAST_SILENT_SECONDS = 30
# SageMaker sends SIGKILL 30 s after SIGTERM.
GRACE_SECONDS = 25


def threads(endpoint: Endpoint) -> int:
    """Return how many requests each worker answers at the same time."""
    count = min(THREADS * endpoint.cpus, MOST_THREADS) if endpoint.multi_model else THREADS
    return max(count, endpoint.script_threads)


def _begin_worker(cpus: int) -> Callable[[object, object], None]:
    def begin(_: object, __: object) -> None:
        # Undo the master's handler, which would swallow SIGTERM until the worker has its own:
        # the master sends the signal once, and would wait for its whole grace.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # pyarrow reads it when a large request loads it; a single thread was for the fork.
        os.environ["OMP_NUM_THREADS"] = str(cpus)

    return begin


class Server(BaseApplication):
    """gunicorn without its command line.

    Attributes
    ----------
    limits : Limits
        What the workers grant to their clients.
    """

    def __init__(
        self, make: Callable[[], Flask], endpoint: Endpoint, worker: type[PooledWorker]
    ) -> None:
        self._make = make
        self._endpoint = endpoint
        self.limits = limits_of(endpoint)
        self._worker = worker
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        settings = {
            "bind": f"{self._endpoint.address}:{self._endpoint.port}",
            "workers": self._endpoint.workers,
            "threads": threads(self._endpoint),
            "worker_class": self._worker,
            "preload_app": not self._endpoint.load_in_workers,
            "timeout": max(self._endpoint.timeout_seconds, LEAST_SILENT_SECONDS),
            "graceful_timeout": GRACE_SECONDS,
            "worker_connections": most_connections(),
            "post_fork": _begin_worker(self._endpoint.cpus),
            "logger_class": ServerLogger,
            "errorlog": None,
            # It would write a socket into the home folder, which may be read-only.
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Hand over the application."""
        return self._make()


def run(
    make: Callable[[], Flask], endpoint: Endpoint, worker: type[PooledWorker] | None = None
) -> None:
    """Serve until SIGTERM, finish the requests in flight, and end with ``SystemExit``.

    Parameters
    ----------
    make : callable
        Makes the application, or hands it over; called in each worker where the endpoint says so.
    worker : type of PooledWorker or None
        The class of the workers; None chooses by the endpoint.
    """
    worker = worker or (MultiModelWorker if endpoint.multi_model else PooledWorker)
    # What is there now stays: a collection that looked at it would write to each object, and so
    # copy 7 MB of memory that the workers share.
    gc.collect()
    gc.freeze()
    try:
        Server(make, endpoint, worker).run()
    except HaltServer as halt:  # when a second worker fails to boot, gunicorn lets it out
        raise SystemExit(halt.exit_status) from halt
