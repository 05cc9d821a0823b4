"""``train``: run the training job that is mounted under ``/opt/ml``."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from tabular.commands.error_report import describe_error, publish, report_error
from tabular.commands.origin import warn_of_unknown_build
from tabular.commands.workers import report_to_parent, run_workers
from tabular.contract.environment import sm_variables
from tabular.contract.errors import JobError, PlatformError
from tabular.contract.failure_file import remove_if_possible
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.job import read_job
from tabular.contract.machine import (
    pids_limit_reached,
    read_machine,
    require_threads,
    threads_advice,
)
from tabular.contract.paths import Paths
from tabular.contract.redaction import redact_logs
from tabular.contract.termination import Termination
from tabular.contract.worker import Worker, read_worker
from tabular.training.run import Run
from tabular.training.timing import Timing

SCHEMA_ONLY = "--schema-only"
# Those of pyarrow and its allocator, beside one for each processor.
LIBRARY_THREADS = 4


def main(devices: Sequence[str] = (), arguments: Sequence[str] = ()) -> int:
    """Train, and return the exit code: 0, or one of ``contract.errors`` and ``termination``.

    Parameters
    ----------
    devices : sequence of str
        For tests without GPUs: train with a worker process for each of these devices.
    """
    failure_file = Paths.of(os.environ).failure
    try:
        worker = read_worker(os.environ)
    except PlatformError as error:
        return report_error(error, failure_file)

    timing = Timing()

    def end(error: BaseException, caused_elsewhere: bool = False) -> int:
        if worker is None:
            return report_error(error, failure_file)
        return report_to_parent(describe_error(error), worker, caused_elsewhere)

    def stopped(message: str) -> None:
        end(PlatformError(message))

    def abort(error: JobError) -> None:
        os._exit(end(error, caused_elsewhere=True))

    if worker is None:
        # Before `listen`, because SIGTERM writes this file. Until then SIGTERM is blocked.
        remove_if_possible(failure_file)
    termination = Termination(stopped)
    # By default OpenMP's threads spin between boosting rounds, and training on shared processors
    # takes up to 100 times as long. OpenMP reads the variable when XGBoost is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        # Before any library starts a thread, because threads inherit the blocked signal.
        termination.listen()
        _log_to_stderr(worker)
        if worker is None:
            warn_of_unknown_build()
        schema_only = SCHEMA_ONLY in arguments
        for unknown in set(arguments) - {SCHEMA_ONLY}:
            logging.warning("argument %r is ignored: train takes %s", unknown, SCHEMA_ONLY)
        job = read_job(os.environ)
        machine = read_machine()
        os.environ.update(sm_variables(job, machine.cpus, machine.gpus))
        single_host = len(job.hosts.names) == 1
        if not single_host:
            # GPUs of several hosts communicate by NCCL. Its default may be another interface.
            os.environ.setdefault("NCCL_SOCKET_IFNAME", job.hosts.network_interface)
        if job.script is not None:
            # Imported here, because algorithm mode does not need it.
            from tabular.script_mode.training import train as run_script

            run_script(job, job.script, os.environ, termination)
            return 0
        if worker is not None:
            job = replace(job, hosts=worker.expand_hosts(job.hosts))
            machine = worker.share_of(machine)
        with timing.stage("import"):
            # Imported here, because the libraries are slow to import and start threads.
            from tabular.algorithms import algorithm_of
            from tabular.training.job import train

            require_threads(LIBRARY_THREADS)
            algorithm = algorithm_of(job.hyperparameters.get(ALGORITHM)).training
        run = Run(
            job, machine, termination, sys.stdout, abort, timing, worker, devices, schema_only
        )
        settings = algorithm.validate(run)
        needed = algorithm.devices(run, settings) if worker is None else ()
        if not needed:
            train(run, algorithm, settings)
            return 0
        failed = run_workers(needed, single_host, termination)
        return publish(failed, failure_file) if failed else 0
    except SystemExit as written:  # --schema-only
        return int(written.code or 0)
    except KeyboardInterrupt:
        if pids_limit_reached():  # OpenBLAS sends SIGINT to its process if it can't start threads
            return end(PlatformError(threads_advice()))
        if worker is None:
            print("interrupted; no model was saved", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        return end(error)


def _log_to_stderr(worker: Worker | None) -> None:
    """Log to stderr. On a host with several workers, only the first worker logs below ERROR."""
    name = f" gpu{worker.local_rank}:" if worker else ""
    logging.basicConfig(
        level=logging.ERROR if worker and worker.local_rank else logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s{name} %(message)s",
    )
    redact_logs()


if __name__ == "__main__":
    sys.exit(main())
