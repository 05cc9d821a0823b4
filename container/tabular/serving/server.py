"""gunicorn's settings, and its start.

The model is loaded before the workers are forked: the workers share its memory, and a broken model
ends ``serve`` before it listens. The models of a multi-model endpoint are loaded in its only
worker.
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

# Prediction threads in each worker. XGBoost releases the GIL while it predicts, and with several
# threads a small request does not wait for a large one.
THREADS = 4
# A multi-model endpoint has one process for all processors.
MOST_THREADS = 32
# gunicorn ends a worker that is silent for this long; on a busy machine the event loop may wait
# for seconds.
LEAST_SILENT_SECONDS = 30
# SageMaker sends SIGKILL 30 s after SIGTERM.
GRACE_SECONDS = 25


def threads(endpoint: Endpoint) -> int:
    """Return how many requests each worker answers at the same time."""
    count = min(THREADS * endpoint.cpus, MOST_THREADS) if endpoint.multi_model else THREADS
    return max(count, endpoint.script_threads)


def _after_fork(cpus: int) -> Callable[[object, object], None]:
    def after_fork(_: object, __: object) -> None:
        # Until the worker sets its own handler of SIGTERM, it has the handler of the master, which
        # would ignore the signal. The master sends SIGTERM once, and would then wait for its whole
        # timeout.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # For pyarrow, which large requests import. The limit of one thread was for the fork.
        os.environ["OMP_NUM_THREADS"] = str(cpus)

    return after_fork


class Server(BaseApplication):
    """gunicorn without its command line.

    Attributes
    ----------
    limits : Limits
        The limits of the workers' clients.
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
        """Set gunicorn's settings that differ from its defaults."""
        settings = {
            "bind": f"{self._endpoint.address}:{self._endpoint.port}",
            "workers": self._endpoint.workers,
            "threads": threads(self._endpoint),
            "worker_class": self._worker,
            "preload_app": not self._endpoint.load_in_workers,
            "timeout": max(self._endpoint.timeout_seconds, LEAST_SILENT_SECONDS),
            "graceful_timeout": GRACE_SECONDS,
            "worker_connections": most_connections(),
            "post_fork": _after_fork(self._endpoint.cpus),
            "logger_class": ServerLogger,
            "errorlog": None,
            # The control socket would be written to the home folder, which may be read-only.
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application."""
        return self._make()


def run(
    make: Callable[[], Flask], endpoint: Endpoint, worker: type[PooledWorker] | None = None
) -> None:
    """Serve until SIGTERM, finish the requests in flight, and raise ``SystemExit``.

    Parameters
    ----------
    make : callable
        Returns the application. Called in each worker if ``endpoint.load_in_workers`` is set,
        otherwise once, before the workers are forked.
    worker : type of PooledWorker or None
        The class of the workers; None chooses it by the endpoint.
    """
    worker = worker or (MultiModelWorker if endpoint.multi_model else PooledWorker)
    # A garbage collection in a worker writes to each object that it visits, which would copy 7 MB
    # of the memory that the workers share.
    gc.collect()
    gc.freeze()
    try:
        Server(make, endpoint, worker).run()
    except HaltServer as halt:  # if a second worker fails to boot, gunicorn does not catch this
        raise SystemExit(halt.exit_status) from halt
