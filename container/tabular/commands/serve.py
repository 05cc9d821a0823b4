"""``serve``: load the model that SageMaker mounted, or those that it names, and answer requests."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tabular.commands.failures import report
from tabular.commands.origin import warn_of_unknown_build
from tabular.contract.endpoint import Endpoint, read_endpoint
from tabular.contract.machine import available_cpus, memory_limit
from tabular.contract.redaction import redact_logs
from tabular.contract.sandbox import confine
from tabular.script_mode.inference_script import Script, find_endpoints_script

if TYPE_CHECKING:
    from flask import Flask

    from tabular.serving.telemetry import Telemetry

# A container has it whatever else is read-only.
SHARED_MEMORY = "/dev/shm"  # noqa: S108

log = logging.getLogger(__name__)


def main() -> int:
    """Serve; 0 after SIGTERM, otherwise the exit codes of ``tabular.contract.errors``."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    redact_logs()
    # Until gunicorn takes over: PID 1 ignores signals that it has no handler for. `bin/serve`
    # starts with SIGTERM blocked, so that one that came before now is answered here.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # Workers are forked after the model is loaded, and OpenMP's threads do not survive a fork.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        _find_scratch()
        endpoint = read_endpoint(os.environ, available_cpus(), memory_limit())
        script = find_endpoints_script(endpoint, os.environ)
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

            serve_script(script, endpoint, telemetry, report)
        endpoint = replace(endpoint, load_in_workers=False)  # only a script's model may be
        if endpoint.multi_model:
            app = _several_models(endpoint, telemetry, script)
        else:
            app = _one_model(endpoint, telemetry)
        run(lambda: app, endpoint)
    except Exception as error:
        return report(error)
    return 0


def _find_scratch() -> None:
    """Take memory for small files where the file system is read-only and has no /tmp."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = SHARED_MEMORY


def _one_model(endpoint: Endpoint, telemetry: Telemetry) -> Flask:
    from tabular.artifact.manifest import read_manifest
    from tabular.serving.app import create_app
    from tabular.serving.loading import load_predictor, loading_of

    predictor = load_predictor(endpoint.model, loading_of(endpoint))
    # Workers are forked with the model loaded; from then on they need neither files nor programs.
    os.register_at_fork(after_in_child=_confine_worker)
    log.info("serving by %s, %d features", predictor.engine, predictor.columns.count)
    return create_app(endpoint, predictor, telemetry, read_manifest(endpoint.model))


def _confine_worker() -> None:
    if not confine((tempfile.gettempdir(), SHARED_MEMORY)):
        log.info("this system does not let a worker give up its rights to write and connect")


def _several_models(endpoint: Endpoint, telemetry: Telemetry, script: Script | None) -> Flask:
    from tabular.serving.multi_model import create_multi_model_app, open_store
    from tabular.serving.server import threads

    store = open_store(endpoint, threads(endpoint), script)
    return create_multi_model_app(endpoint, store, telemetry)


def _prepare(script: Script, endpoint: Endpoint) -> None:
    """Make ready what a script needs; before any library of ours is imported in an old version."""
    from tabular.script_mode.installed import install

    install(script.folder, os.environ)
    if not endpoint.multi_model:
        # Scripts that also train name their model's folder by it.
        os.environ.setdefault("SM_MODEL_DIR", str(endpoint.model))


if __name__ == "__main__":
    sys.exit(main())
