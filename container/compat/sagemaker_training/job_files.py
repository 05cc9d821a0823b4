"""The paths of a job's files, and functions that read them."""

from __future__ import annotations

import json
import os
from typing import Any

from tabular.contract.config_file import read_object
from tabular.contract.paths import Paths

__all__ = [
    "BASE_PATH_ENV",
    "HYPERPARAMETERS_FILE",
    "INPUT_DATA_CONFIG_FILE",
    "RESOURCE_CONFIG_FILE",
    "SAGEMAKER_BASE_PATH",
    "base_dir",
    "channel_path",
    "code_dir",
    "hyperparameters_file_dir",
    "input_config_dir",
    "input_data_config_file_dir",
    "input_dir",
    "model_dir",
    "output_data_dir",
    "output_dir",
    "output_intermediate_dir",
    "read_hyperparameters",
    "read_input_data_config",
    "read_resource_config",
    "resource_config_file_dir",
]

BASE_PATH_ENV = "SAGEMAKER_BASE_DIR"
SAGEMAKER_BASE_PATH = "/opt/ml"
HYPERPARAMETERS_FILE = "hyperparameters.json"
RESOURCE_CONFIG_FILE = "resourceconfig.json"
INPUT_DATA_CONFIG_FILE = "inputdataconfig.json"

# Scripts use these as constants, so they are computed at import.
_paths = Paths.of(os.environ)
base_dir = str(_paths.root)
code_dir = str(_paths.code)
model_dir = str(_paths.model)
input_dir = str(_paths.input)
input_config_dir = str(_paths.config)
output_dir = str(_paths.output)
output_data_dir = str(_paths.output_data)
output_intermediate_dir = str(_paths.output_intermediate)
hyperparameters_file_dir = str(_paths.hyperparameters)
input_data_config_file_dir = str(_paths.input_data_config)
resource_config_file_dir = str(_paths.resource_config)


def read_hyperparameters() -> dict[str, Any]:
    """Read the hyperparameters. A value that is not JSON is a string."""
    return {
        name: _decoded(value)
        for name, value in read_object(Paths.of(os.environ).hyperparameters).items()
    }


def read_resource_config() -> dict[str, Any]:
    """Read ``resourceconfig.json``; ``{}`` if it does not exist."""
    return read_object(Paths.of(os.environ).resource_config)


def read_input_data_config() -> dict[str, Any]:
    """Read ``inputdataconfig.json``; ``{}`` if it does not exist."""
    return read_object(Paths.of(os.environ).input_data_config)


def channel_path(channel: str) -> str:
    """Return the folder of a channel."""
    return str(Paths.of(os.environ).data / channel)


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
