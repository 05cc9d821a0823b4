"""Train with the customer's script: fetch the code, install requirements, wait for hosts, run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tabular.artifact.files import remove_artifact
from tabular.contract.environment import script_arguments
from tabular.contract.failure_file import remove_if_possible
from tabular.contract.hosts import wait_for_names
from tabular.contract.job import TrainingJob
from tabular.contract.script import TrainingScript, region_of
from tabular.contract.termination import Termination
from tabular.script_mode.entry_point import Command, command_of
from tabular.script_mode.requirements import install_requirements
from tabular.script_mode.running import run
from tabular.script_mode.source import prepare

log = logging.getLogger(__name__)

CHANNEL = "code"


def train(
    job: TrainingJob, script: TrainingScript, environ: Mapping[str, str], termination: Termination
) -> None:
    """Run the job's script, and wait until the script ends.

    Parameters
    ----------
    environ : Mapping[str, str]
        The environment of the script: this process's variables and the ``SM_*`` variables.

    Raises
    ------
    ScriptError
        The script failed.
    JobError
        The script could not be started; see ``tabular.contract.errors``.
    """
    logging.getLogger().setLevel(script.log_level)
    with termination.stopping(f"stopped by SIGTERM before {script.program} was started"):
        command, environ = _prepare(job, script, environ)
        # Not in the environment of pip, because pip would import modules of the code.
        path = [str(job.paths.code), *filter(None, [environ.get("PYTHONPATH")])]
        run(command, job.paths.code, {**environ, "PYTHONPATH": ":".join(path)}, termination)
    with suppress(OSError):  # older toolkits write this file; SageMaker does not need it
        _success_file(job).touch()


def _success_file(job: TrainingJob) -> Path:
    return job.paths.output / "success"


def _prepare(
    job: TrainingJob, script: TrainingScript, environ: Mapping[str, str]
) -> tuple[Command, dict[str, str]]:
    """Fetch and install the code, and wait for the other hosts.

    Returns
    -------
    (Command, dict of str to str)
        The command, and its environment.
    """
    code = job.paths.code
    remove_if_possible(_success_file(job))
    with suppress(OSError):  # SageMaker creates these folders; ``docker run`` may not
        for folder in (job.paths.model, job.paths.output_data):
            folder.mkdir(parents=True, exist_ok=True)
    if remove_artifact(job.paths.model):
        log.info("removed the model of an earlier training from %s", job.paths.model)
    environ = {**environ, **_variables(job, environ)}
    channel = job.channels.get(CHANNEL)
    prepare(script.source, code, channel.path if channel else None, environ)
    arguments = script_arguments(job.hyperparameters)
    command = command_of(script.program, code, arguments)
    install_requirements(code, environ, command.package)
    if not environ.get("SM_STUDIO_LOCAL_MODE"):
        wait_for_names([name for name in job.hosts.names if name != job.hosts.current])
    # The values may be secret.
    names = " ".join(name for name in arguments[::2])
    log.info(
        "running %s with the arguments (values not shown): %s", script.program, names or "none"
    )
    return command, environ


def _variables(job: TrainingJob, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the training toolkit sets in addition to ``SM_*``."""

    def hyperparameter(name: str) -> str:
        return str(job.hyperparameters.get(name) or "")

    return {
        "CURRENT_HOST": job.hosts.current,
        "SAGEMAKER_JOB_NAME": hyperparameter("sagemaker_job_name"),
        "SAGEMAKER_REGION": hyperparameter("sagemaker_region") or region_of(environ) or "",
        "PYTHONUNBUFFERED": "1",
    }
