"""``serve``: load the model under ``/opt/ml/model``, or several models, and answer requests."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tabular.commands.error_report import report_error
from tabular.commands.origin import warn_of_unknown_build
from tabular.contract.endpoint import Endpoint, read_endpoint
from tabular.contract.machine import available_cpus, memory_limit
from tabular.contract.redaction import redact_logs
from tabular.contract.sandbox import confine
from tabular.script_mode.inference_script import InferenceScript, find_endpoint_script

if TYPE_CHECKING:
    from flask import Flask

    from tabular.serving.telemetry import Telemetry

# Writable in every container, also in one with a read-only file system.
SHARED_MEMORY = "/dev/shm"  # noqa: S108

log = logging.getLogger(__name__)


def main() -> int:
    """Serve, and return the exit code: 0 after SIGTERM, or one of ``tabular.contract.errors``."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    redact_logs()
    # This handler is used until gunicorn sets its own. (For PID 1 the kernel ignores a signal that
    # has no handler.) `bin/serve` blocks SIGTERM; a pending SIGTERM is handled when unblocked.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # Workers are forked after the model is loaded, and OpenMP's threads do not survive a fork.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        _find_scratch()
        endpoint = read_endpoint(os.environ, available_cpus(), memory_limit())
        script = find_endpoint_script(endpoint, os.environ)
        if script is not None:
            _prepare(script, endpoint)
        from tabular.serving.logs import configure
        from tabular.serving.server import run
        from tabular.serving.telemetry import Telemetry

        telemetry = Telemetry(endpoint.workers, time.time())
        configure("json" if endpoint.json_log else "text", access_log=endpoint.access_log)
        warn_of_unknown_build()
        if script is not None and not endpoint.multi_model:
            from tabular.serving.scripted.server import serve_script

            serve_script(script, endpoint, telemetry, report_error)
        endpoint = replace(endpoint, load_in_workers=False)  # only scripts use it
        if endpoint.multi_model:
            app = _several_models(endpoint, telemetry, script)
        else:
            app = _one_model(endpoint, telemetry)
        run(lambda: app, endpoint)
    except Exception as error:
        return report_error(error)
    return 0


def _find_scratch() -> None:
    """Use shared memory for temporary files if the file system is read-only and has no /tmp."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = SHARED_MEMORY


def _one_model(endpoint: Endpoint, telemetry: Telemetry) -> Flask:
    from tabular.artifact.manifest import read_manifest
    from tabular.serving.app import create_app
    from tabular.serving.loading import load_predictor, loading_of

    predictor = load_predictor(endpoint.model, loading_of(endpoint))
    # The model is loaded before the fork. A worker writes no files and starts no programs.
    os.register_at_fork(after_in_child=_confine_worker)
    log.info("serving by %s, %d features", predictor.engine, predictor.columns.count)
    return create_app(endpoint, predictor, telemetry, read_manifest(endpoint.model))


def _confine_worker() -> None:
    if not confine((tempfile.gettempdir(), SHARED_MEMORY)):
        log.info("this system can't sandbox workers: they can still write files and connect")


def _several_models(
    endpoint: Endpoint, telemetry: Telemetry, script: InferenceScript | None
) -> Flask:
    from tabular.serving.multi_model import create_multi_model_app, open_store
    from tabular.serving.server import threads

    store = open_store(endpoint, threads(endpoint), script, telemetry)
    return create_multi_model_app(endpoint, store, telemetry)


def _prepare(script: InferenceScript, endpoint: Endpoint) -> None:
    """Install a script's requirements. Call before the image's version of a library is imported."""
    from tabular.script_mode.requirements import install_for_serving

    install_for_serving(script.folder, os.environ)
    if not endpoint.multi_model:
        # Scripts that also train read the model's folder from this variable.
        os.environ.setdefault("SM_MODEL_DIR", str(endpoint.model))


if __name__ == "__main__":
    sys.exit(main())
