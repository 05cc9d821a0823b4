"""``serve``: load the model that SageMaker mounted, or those that it names, and answer requests."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from tabular.commands.failures import report
from tabular.contract.endpoint import Endpoint, read_endpoint
from tabular.contract.machine import available_cpus, memory_limit

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
    # Until gunicorn takes over: PID 1 ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # Workers are forked after the model is loaded, and OpenMP's threads do not survive a fork.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        _find_scratch()
        endpoint = read_endpoint(os.environ, available_cpus(), memory_limit())
        from tabular.serving.logs import configure
        from tabular.serving.server import run
        from tabular.serving.telemetry import Telemetry

        telemetry = Telemetry(endpoint.workers, time.time())
        configure("json" if endpoint.json_log else "text", access_log=endpoint.access_log)
        make = _several_models if endpoint.multi_model else _one_model
        run(make(endpoint, telemetry), endpoint)
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
    from tabular.serving.predictors import load_predictor
    from tabular.serving.predictors.parallel import Parallel

    predictor = load_predictor(endpoint.model, Parallel(endpoint.cpus), endpoint.ensemble)
    log.info("serving by %s, %d features", predictor.engine, predictor.columns.count)
    return create_app(endpoint, predictor, telemetry, read_manifest(endpoint.model))


def _several_models(endpoint: Endpoint, telemetry: Telemetry) -> Flask:
    from tabular.serving.multi_model import create_multi_model_app, open_store
    from tabular.serving.server import threads

    return create_multi_model_app(endpoint, open_store(endpoint, threads(endpoint)), telemetry)


if __name__ == "__main__":
    sys.exit(main())
