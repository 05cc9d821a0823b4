"""Start the server of one model that is served by a script."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from flask import Flask
from gunicorn.arbiter import Arbiter

from tabular.contract.endpoint import Endpoint
from tabular.script_mode.inference_script import InferenceScript, place_code
from tabular.script_mode.modules import Modules
from tabular.serving.loading import loading_of
from tabular.serving.scripted.app import create_scripted_app
from tabular.serving.scripted.calls import CallQueue, Calls, ConcurrentCalls
from tabular.serving.scripted.fork_safety import observe, unshareable
from tabular.serving.scripted.model import load_scripted
from tabular.serving.scripted.worker import end_soon, script_worker
from tabular.serving.server import run
from tabular.serving.telemetry import Telemetry
from tabular.serving.worker import PooledWorker

log = logging.getLogger(__name__)


def serve_script(
    script: InferenceScript,
    endpoint: Endpoint,
    telemetry: Telemetry,
    report: Callable[[BaseException], int],
) -> NoReturn:
    """Load a model with its script and serve it until SIGTERM.

    The model is loaded before the workers are forked, so that they share its memory. Where
    loading it leaves threads, connections or files that forked workers can't share, the process
    replaces itself, and each worker loads the model for itself.

    Parameters
    ----------
    report : callable
        Reports an exception that ends a worker while it loads the model.

    Raises
    ------
    UserError
        The script is broken, or fails.
    """
    endpoint = endpoint.for_script()
    place_code(script, endpoint.code)
    modules = Modules(script.folders)
    calls: Calls
    if endpoint.script_threads == 1:
        calls = queue = CallQueue(endpoint.handler_seconds, end_soon)
        worker: type[PooledWorker] | None = script_worker(queue)
    else:
        calls, worker = ConcurrentCalls(endpoint.script_threads), None

    def load() -> Flask:
        scripted = load_scripted(script, endpoint.model, modules, calls, loading_of(endpoint))
        return create_scripted_app(endpoint, scripted, telemetry)

    def load_in_worker() -> Flask:
        try:
            return load()
        except Exception as error:
            report(error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)  # gunicorn then ends, and forks no other worker

    if endpoint.load_in_workers:
        run(load_in_worker, endpoint, worker)
    before = observe()
    app = load()
    if found := unshareable(before):
        log.warning(
            "loading the model of %s has left %s, which forked workers can't share: starting "
            "again with TABULAR_LOAD=worker, so that each worker loads the model for itself",
            script.file.name,
            " and ".join(found),
        )
        _start_again(script)
    run(lambda: app, endpoint, worker)
    raise AssertionError("gunicorn ends with SystemExit")


def _start_again(script: InferenceScript) -> NoReturn:
    environ = {
        **os.environ,
        "TABULAR_LOAD": "worker",
        "SAGEMAKER_SUBMIT_DIRECTORY": str(script.folder),
        "SAGEMAKER_PROGRAM": str(script.file.relative_to(script.folder)),
    }
    # exec removes the signal's handler: a blocked signal waits until `serve` sets it again.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.execve(sys.executable, sys.orig_argv, environ)  # noqa: S606 the same program
