"""``Environment``: the configuration of the job, for training scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from sagemaker_training import job_files
from sagemaker_training.absent import absent
from sagemaker_training.job_files import *  # noqa: F403
from sagemaker_training.job_files import (
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
)
from sagemaker_training.mapping import Snapshot
from sagemaker_training.variables import JSON, TEXT
from tabular.contract.channels import read_channels
from tabular.contract.environment import script_arguments, sm_variables
from tabular.contract.hosts import read_hosts
from tabular.contract.job import TrainingJob
from tabular.contract.machine import available_cpus, available_gpus
from tabular.contract.paths import Paths
from tabular.contract.script import read_script

__all__ = ["Environment", "num_cpus", "num_gpus", "write_env_vars"]
__all__ += job_files.__all__

__getattr__ = absent(
    __name__,
    {
        "num_neurons": "the image has no Neuron libraries",
        "validate_smddprun": "the image has no PyTorch",
        "validate_smddpmprun": "the image has no PyTorch",
    },
)


class Environment(Snapshot):
    """The job's configuration, as attributes and as keys: ``env.hosts``, ``env["hosts"]``.

    Parameters
    ----------
    resource_config, input_data_config, hyperparameters : dict or None
        Values to use instead of the files in ``/opt/ml/input/config``; hyperparameters are
        decoded.

    Raises
    ------
    UserError
        A file can't be read.
    """

    def __init__(
        self,
        resource_config: Mapping[str, Any] | None = None,
        input_data_config: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        paths = Paths.of(os.environ)
        resource_config = resource_config or read_resource_config()
        input_data_config = input_data_config or read_input_data_config()
        hyperparameters = dict(hyperparameters or read_hyperparameters())
        job = TrainingJob(
            name=os.environ.get("TRAINING_JOB_NAME", ""),
            paths=paths,
            hyperparameters=hyperparameters,
            channels=read_channels(input_data_config, paths),
            hosts=read_hosts(resource_config, paths),
            checkpoints=None,
            resource_config=resource_config,
            input_data_config=input_data_config,
            script=read_script(hyperparameters, os.environ),
        )
        variables = sm_variables(job, num_cpus(), num_gpus())
        values: dict[str, Any] = {name: variables[there] or None for name, there in TEXT.items()}
        values |= {name: json.loads(variables[there]) for name, there in JSON.items()}
        self._s3_output = hyperparameters.get("sagemaker_s3_output")
        self._variables = variables
        super().__init__(
            values
            | {
                "channel_input_dirs": {
                    name: str(channel.path) for name, channel in job.channels.items()
                },
                "distribution_hosts": [
                    host
                    for group in job.hosts.groups
                    if group.name in values["distribution_instance_groups"]
                    for host in group.hosts
                ],
                "is_master": job.hosts.current == job.hosts.leader,
                "is_modelparallel_enabled": False,
                "is_smddprun_installed": False,
                "is_smddpmprun_installed": False,
                "job_name": job.name or None,
                "master_hostname": job.hosts.leader,
                "topology": resource_config.get("topology", []),
            }
        )

    def to_cmd_args(self) -> list[str]:
        """Return the hyperparameters as arguments of the script."""
        return script_arguments(self.hyperparameters)

    def to_env_vars(self) -> dict[str, str]:
        """Return the ``SM_*`` variables."""
        return dict(self._variables)

    def sagemaker_s3_output(self) -> str | None:
        """Return the S3 location of the job's output, or None if the SDK has not set it."""
        return self._s3_output


def num_cpus() -> int:
    """Return the number of processors that this container may use."""
    return available_cpus()


def num_gpus() -> int:
    """Return the number of GPUs of this container."""
    return available_gpus()


def write_env_vars(env_vars: Mapping[str, str] | None = None) -> None:
    """Set environment variables, and ``PYTHONPATH`` to ``sys.path``."""
    os.environ.update({**(env_vars or {}), "PYTHONPATH": ":".join(sys.path)})
