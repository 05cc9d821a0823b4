"""``Environment``: what a script asks about its job."""

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
from tabular.contract.channels import read_channels
from tabular.contract.environment import script_arguments, sm_variables
from tabular.contract.hosts import read_hosts
from tabular.contract.job import TrainingJob
from tabular.contract.machine import available_cpus, available_gpus
from tabular.contract.paths import Paths

__all__ = ["Environment", "num_cpus", "num_gpus", "write_env_vars"]
__all__ += job_files.__all__

# For each value of ``Environment`` the variable that holds it, as text or as JSON.
TEXT = {
    "current_host": "SM_CURRENT_HOST",
    "current_instance_group": "SM_CURRENT_INSTANCE_GROUP",
    "current_instance_type": "SM_CURRENT_INSTANCE_TYPE",
    "framework_module": "SM_FRAMEWORK_MODULE",
    "input_config_dir": "SM_INPUT_CONFIG_DIR",
    "input_dir": "SM_INPUT_DIR",
    "model_dir": "SM_MODEL_DIR",
    "module_dir": "SM_MODULE_DIR",
    "module_name": "SM_MODULE_NAME",
    "network_interface_name": "SM_NETWORK_INTERFACE_NAME",
    "output_data_dir": "SM_OUTPUT_DATA_DIR",
    "output_dir": "SM_OUTPUT_DIR",
    "output_intermediate_dir": "SM_OUTPUT_INTERMEDIATE_DIR",
    "user_entry_point": "SM_USER_ENTRY_POINT",
}
JSON = {
    "additional_framework_parameters": "SM_FRAMEWORK_PARAMS",
    "current_instance_group_hosts": "SM_CURRENT_INSTANCE_GROUP_HOSTS",
    "distribution_instance_groups": "SM_DISTRIBUTION_INSTANCE_GROUPS",
    "hosts": "SM_HOSTS",
    "hyperparameters": "SM_HPS",
    "input_data_config": "SM_INPUT_DATA_CONFIG",
    "instance_groups": "SM_INSTANCE_GROUPS",
    "instance_groups_dict": "SM_INSTANCE_GROUPS_DICT",
    "is_hetero": "SM_IS_HETERO",
    "log_level": "SM_LOG_LEVEL",
    "num_cpus": "SM_NUM_CPUS",
    "num_gpus": "SM_NUM_GPUS",
    "num_neurons": "SM_NUM_NEURONS",
    "resource_config": "SM_RESOURCE_CONFIG",
}

__getattr__ = absent(
    __name__,
    {
        "num_neurons": "the image has no Neuron libraries",
        "validate_smddprun": "the image has no PyTorch",
        "validate_smddpmprun": "the image has no PyTorch",
    },
)


class Environment(Snapshot):
    """A job, as a dictionary or by attributes: ``env.hosts``, ``env["hosts"]``.

    Parameters
    ----------
    resource_config, input_data_config, hyperparameters : dict or None
        Instead of the files in ``/opt/ml/input/config``; hyperparameters decoded.

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
        if os.environ.get("SAGEMAKER_PROGRAM"):
            hyperparameters.setdefault("sagemaker_program", os.environ["SAGEMAKER_PROGRAM"])
        job = TrainingJob(
            name=os.environ.get("TRAINING_JOB_NAME", ""),
            paths=paths,
            hyperparameters=hyperparameters,
            channels=read_channels(input_data_config, paths),
            hosts=read_hosts(resource_config, paths),
            checkpoints=None,
            resource_config=resource_config,
            input_data_config=input_data_config,
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
        """Spell the hyperparameters as the script's arguments."""
        return script_arguments(self.hyperparameters)

    def to_env_vars(self) -> dict[str, str]:
        """Give the ``SM_*`` variables."""
        return dict(self._variables)

    def sagemaker_s3_output(self) -> str | None:
        """Tell where the job's output goes, when the SDK has said it."""
        return self._s3_output


def num_cpus() -> int:
    """Count the processors that this container may use, which may be fewer than the host's."""
    return available_cpus()


def num_gpus() -> int:
    """Count the GPUs of this container."""
    return available_gpus()


def write_env_vars(env_vars: Mapping[str, str] | None = None) -> None:
    """Set variables, and ``PYTHONPATH`` to what this process imports from."""
    os.environ.update({**(env_vars or {}), "PYTHONPATH": ":".join(sys.path)})
