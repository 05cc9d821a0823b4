"""``train``: run the training job that SageMaker mounted, exit 0 or say why not."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from tabular.commands.error_report import describe_error, publish, report_error
from tabular.commands.origin import warn_of_unknown_build
from tabular.commands.workers import run_workers, tell
from tabular.contract.environment import sm_variables
from tabular.contract.errors import JobError, PlatformError
from tabular.contract.failure_file import remove_leftover
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.job import read_job
from tabular.contract.machine import read_machine
from tabular.contract.paths import Paths
from tabular.contract.redaction import redact_logs
from tabular.contract.termination import Termination
from tabular.contract.worker import Worker, read_worker
from tabular.training.run import Run
from tabular.training.timing import Timing


def main(devices: Sequence[str] = ()) -> int:
    """Train; exit codes are in ``tabular.contract.errors`` and ``termination``.

    Parameters
    ----------
    devices : sequence of str
        To train on with a process for each; for tests on a machine without GPUs.
    """
    failure_file = Paths.of(os.environ).failure
    try:
        worker = read_worker(os.environ)
    except PlatformError as error:
        return report_error(error, failure_file)

    timing = Timing()

    def end(error: BaseException, heard: bool = False) -> int:
        if worker is None:
            return report_error(error, failure_file)
        return tell(describe_error(error), worker, heard)

    def stopped(message: str) -> None:
        end(PlatformError(message))

    def abort(error: JobError) -> None:
        os._exit(end(error, heard=True))

    if worker is None:
        # Before SIGTERM is heard, which writes the file: one that came early waits until then.
        remove_leftover(failure_file)
    termination = Termination(stopped)
    # Before any library starts a thread: those inherit the blocked signal.
    termination.listen()
    # OpenMP's threads spin between the rounds by default; on processors shared with others
    # that has cost up to a hundred times the time. Read when XGBoost is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        _log_to_stderr(worker)
        if worker is None:
            warn_of_unknown_build()
        job = read_job(os.environ)
        machine = read_machine()
        os.environ.update(sm_variables(job, machine.cpus, machine.gpus))
        single_host = len(job.hosts.names) == 1
        if not single_host:
            # GPUs of several hosts talk over NCCL, which would choose a network by itself.
            os.environ.setdefault("NCCL_SOCKET_IFNAME", job.hosts.network_interface)
        if job.script is not None:
            # Late: algorithm mode needs nothing of it.
            from tabular.script_mode.training import train as run_script

            run_script(job, job.script, os.environ, termination)
            return 0
        if worker is not None:
            job = replace(job, hosts=worker.among(job.hosts))
            machine = worker.share_of(machine)
        with timing.stage("import"):
            # Late: the libraries take most of the start-up, and start threads.
            from tabular.algorithms import algorithm_of
            from tabular.training.job import train

            algorithm = algorithm_of(job.hyperparameters.get(ALGORITHM)).training
        run = Run(job, machine, termination, sys.stdout, abort, timing, worker, devices)
        settings = algorithm.validate(run)
        needed = algorithm.devices(run, settings) if worker is None else ()
        if not needed:
            train(run, algorithm, settings)
            return 0
        failed = run_workers(needed, single_host, termination)
        return publish(failed, failure_file) if failed else 0
    except KeyboardInterrupt:
        if worker is None:
            print("interrupted; no model was saved", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        return end(error)


def _log_to_stderr(worker: Worker | None) -> None:
    """Let one worker of a host speak, where all would say the same."""
    name = f" gpu{worker.place}:" if worker else ""
    logging.basicConfig(
        level=logging.ERROR if worker and worker.place else logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s{name} %(message)s",
    )
    redact_logs()


if __name__ == "__main__":
    sys.exit(main())
