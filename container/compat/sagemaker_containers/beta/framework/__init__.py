"""The modules of the toolkit under the names that scripts import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_containers import _env as env
from sagemaker_containers import _transformer as transformer
from sagemaker_containers import _worker as worker
from sagemaker_containers import entry_point
from sagemaker_training import (
    IN_PLACE,
    content_types,
    encoders,
    errors,
    files,
    functions,
    mapping,
    modules,
    params,
)
from sagemaker_training import logging_config as logging
from sagemaker_training.absent import absent

__all__ = [
    "content_types",
    "encoders",
    "entry_point",
    "env",
    "errors",
    "files",
    "functions",
    "logging",
    "mapping",
    "modules",
    "params",
    "training_env",
    "transformer",
    "worker",
]

__getattr__ = absent(
    __name__,
    {
        "mpi": "hosts train together through sagemaker_xgboost_container.distributed.rabit_run",
        "process": IN_PLACE,
        "runner": IN_PLACE,
        "server": "the image's own command is serve",
        "trainer": IN_PLACE,
    },
)


def training_env(
    resource_config: Mapping[str, Any] | None = None,
    input_data_config: Mapping[str, Any] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> env.TrainingEnv:
    """Read the configuration of the job; arguments replace the files."""
    return env.TrainingEnv(resource_config, input_data_config, hyperparameters)
