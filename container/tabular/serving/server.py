"""gunicorn's settings, and its start.

The model is loaded before the workers are forked: the workers share its memory, and a broken model
ends ``serve`` before it listens. The models of a multi-model endpoint are loaded in its only
worker.
"""

from __future__ import annotations

import gc
import logging
import os
import shlex
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.errors import HaltServer

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.serving.limits import limits_of, most_connections
from tabular.serving.logs import ServerLogger
from tabular.serving.worker import MultiModelWorker, PooledWorker

log = logging.getLogger(__name__)

# Prediction threads in each worker. XGBoost releases the GIL while it predicts, and with several
# threads a small request does not wait for a large one.
THREADS = 4
# A multi-model endpoint has one process for all processors.
MOST_THREADS = 32
# gunicorn ends a worker that is silent for this long; on a busy machine the event loop may wait
# for seconds.
LEAST_SILENT_SECONDS = 30
# The settings of GUNICORN_CMD_ARGS that this server heeds, and their arguments.
HEEDED = {
    "timeout": "--timeout",
    "graceful_timeout": "--graceful-timeout",
    "backlog": "--backlog",
    "limit_request_line": "--limit-request-line",
    "limit_request_fields": "--limit-request-fields",
    "limit_request_field_size": "--limit-request-field_size",
}
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


def given_settings(arguments: str) -> dict[str, Any]:
    """Return the settings of ``GUNICORN_CMD_ARGS`` that are heeded; the log names the others.

    Raises
    ------
    UserError
        gunicorn does not know an argument, or its value.

    Examples
    --------
    >>> given_settings("--graceful-timeout 20 --limit-request-fields=50")
    {'graceful_timeout': 20, 'limit_request_fields': 50}
    """
    parser = Config().parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"GUNICORN_CMD_ARGS: {message}; correct it or unset it")

    parser.error = refuse
    try:
        found = vars(parser.parse_args(shlex.split(arguments)))
    except ValueError as error:  # a quote that does not close
        refuse(str(error))
    given = {name: value for name, value in found.items() if value not in (None, [])}
    if timeout := given.get("timeout"):
        given["timeout"] = max(timeout, LEAST_SILENT_SECONDS)
    others = sorted(given.keys() - HEEDED.keys())
    if others:
        log.warning(
            "GUNICORN_CMD_ARGS: not used: %s. Used are %s; SAGEMAKER_MODEL_SERVER_WORKERS, "
            "SAGEMAKER_BIND_TO_PORT, TABULAR_ACCESS_LOG and TABULAR_LOG_FORMAT set what others do",
            ", ".join(others),
            ", ".join(HEEDED.values()),
        )
    return {name: given[name] for name in HEEDED if name in given}


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
        self._given = given_settings(endpoint.gunicorn_arguments)
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
        for name, value in {
            **settings,
            **self._given,
        }.items():
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
