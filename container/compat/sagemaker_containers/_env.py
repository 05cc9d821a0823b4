"""``TrainingEnv`` and ``ServingEnv``: the configuration of the container, for scripts."""

from __future__ import annotations

import os

from sagemaker_training import content_types
from sagemaker_training.environment import (
    Environment,
    base_dir,
    channel_path,
    code_dir,
    input_config_dir,
    input_dir,
    model_dir,
    num_cpus,
    num_gpus,
    output_data_dir,
    output_dir,
    output_intermediate_dir,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
    write_env_vars,
)
from sagemaker_training.mapping import Snapshot

__all__ = [
    "ServingEnv",
    "TrainingEnv",
    "base_dir",
    "channel_path",
    "code_dir",
    "input_config_dir",
    "input_dir",
    "model_dir",
    "num_cpus",
    "num_gpus",
    "output_data_dir",
    "output_dir",
    "output_intermediate_dir",
    "read_hyperparameters",
    "read_input_data_config",
    "read_resource_config",
    "write_env_vars",
]

TrainingEnv = Environment


class ServingEnv(Snapshot):
    """The settings of an endpoint, as attributes and as keys.

    For scripts only: the server does not read these settings, and there is no nginx.
    """

    def __init__(self) -> None:
        get = os.environ.get
        program = get("SAGEMAKER_PROGRAM")
        super().__init__(
            {
                "current_host": get("CURRENT_HOST"),
                "default_accept": get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", content_types.JSON),
                "framework_module": get("SAGEMAKER_SERVING_MODULE"),
                "http_port": get("SAGEMAKER_BIND_TO_PORT", "8080"),
                "log_level": int(get("SAGEMAKER_CONTAINER_LOG_LEVEL", "20")),
                "model_dir": model_dir,
                "model_server_timeout": int(get("SAGEMAKER_MODEL_SERVER_TIMEOUT", "60")),
                "model_server_workers": int(get("SAGEMAKER_MODEL_SERVER_WORKERS", num_cpus())),
                "module_dir": get("SAGEMAKER_SUBMIT_DIRECTORY", code_dir),
                "module_name": program.removesuffix(".py") if program else None,
                "num_cpus": num_cpus(),
                "num_gpus": num_gpus(),
                "safe_port_range": get("SAGEMAKER_SAFE_PORT_RANGE"),
                "use_nginx": False,
                "user_entry_point": program,
            }
        )
