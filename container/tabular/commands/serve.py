"""``serve``: load the model that SageMaker mounted and answer requests until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from tabular.commands.failures import report
from tabular.contract.endpoint import read_endpoint
from tabular.contract.machine import available_cpus, memory_limit


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
        endpoint = read_endpoint(os.environ, available_cpus(), memory_limit())
        from tabular.artifact.manifest import read_manifest
        from tabular.serving.app import create_app
        from tabular.serving.logs import configure
        from tabular.serving.predictors import load_predictor
        from tabular.serving.server import run
        from tabular.serving.telemetry import Telemetry

        configure("json" if endpoint.json_log else "text", access_log=endpoint.access_log)
        predictor = load_predictor(endpoint.model, endpoint.cpus, endpoint.ensemble)
        telemetry = Telemetry(endpoint.workers, time.time())
        run(create_app(endpoint, predictor, telemetry, read_manifest(endpoint.model)), endpoint)
    except Exception as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
