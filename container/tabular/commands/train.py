"""``train``: run the training job that SageMaker mounted, exit 0 or say why not."""

from __future__ import annotations

import logging
import os
import signal
import sys

from tabular.commands.failures import report
from tabular.contract import failure
from tabular.contract.environment import sm_variables
from tabular.contract.errors import JobError, PlatformError
from tabular.contract.job import read_job
from tabular.contract.machine import read_machine
from tabular.contract.paths import Paths
from tabular.contract.termination import Termination
from tabular.training.timing import Timing


def main() -> int:
    """Train; exit codes are in ``tabular.contract.errors`` and ``termination``."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    failure_file = Paths.of(os.environ).failure

    timing = Timing()

    def stopped(message: str) -> None:
        report(PlatformError(message), failure_file)

    def abort(error: JobError) -> None:
        os._exit(report(error, failure_file))

    termination = Termination(stopped)
    # Before any library starts a thread: those inherit the blocked signal.
    termination.listen()
    # OpenMP's threads spin between the rounds by default; on processors shared with others
    # that has cost up to a hundred times the time. Read when XGBoost is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        failure.clear(failure_file)
        job = read_job(os.environ)
        machine = read_machine()
        os.environ.update(sm_variables(job, machine.cpus, machine.gpus))
        with timing.stage("import"):
            # Late: XGBoost takes most of the start-up, and starts threads.
            from tabular.training.xgboost import Run, train

        train(Run(job, machine, termination, sys.stdout, abort, timing))
    except KeyboardInterrupt:
        print("interrupted; no model was saved", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        return report(error, failure_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
