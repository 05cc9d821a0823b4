"""``serve``: load the model that SageMaker mounted and answer requests until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys

from tabular.commands.failures import report
from tabular.contract.endpoint import read_endpoint
from tabular.contract.machine import available_cpus

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
        endpoint = read_endpoint(os.environ, available_cpus())
        from tabular.serving.app import create_app
        from tabular.serving.predictors import load_predictor
        from tabular.serving.server import run

        predictor = load_predictor(endpoint.model, endpoint.cpus, endpoint.ensemble)
        log.info("serving by %s, %d features", predictor.engine, predictor.columns.count)
        run(create_app(endpoint, predictor), endpoint)
    except Exception as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
