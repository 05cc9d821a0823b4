"""The ``SM_*`` variables that training scripts read.

AWS's training toolkit sets these variables, and the SDK's drivers add a few. SageMaker itself sets
none. Names and encoding are those of the toolkit and the drivers, so that scripts written for
AWS's containers run here.
``SM_DISTRIBUTED_DRIVER_DIR`` and ``SM_DISTRIBUTED_CONFIG`` are not set: they name files of the
SDK's own driver.

Source: sagemaker-training 5.1, ``environment.py`` and ``mapping.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from tabular.contract.job import TrainingJob

# Hyperparameters for script mode and the tuner, not for the script (toolkit, params.py).
RESERVED_PREFIX = "sagemaker_"
RESERVED_NAMES = frozenset({"default_user_module_name", "_tuning_objective_metric"})
# Reserved hyperparameters that have their own variable. All others go to SM_FRAMEWORK_PARAMS.
KNOWN_RESERVED = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_container_log_level",
        "sagemaker_region",
        "sagemaker_job_name",
        "sagemaker_s3_output",
        "sagemaker_enable_cloudwatch_metrics",
    }
)
# If a job sets one of these, the toolkit adds the current group to SM_DISTRIBUTION_INSTANCE_GROUPS.
DISTRIBUTIONS = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
)
# The members of SM_TRAINING_ENV that repeat a variable: "hosts" is SM_HOSTS.
MEMBERS = (
    *("current_host", "current_instance_group", "current_instance_group_hosts"),
    *("current_instance_type", "distribution_instance_groups", "framework_module", "hosts"),
    *("input_config_dir", "input_data_config", "input_dir", "instance_groups"),
    *("instance_groups_dict", "is_hetero", "log_level", "model_dir", "module_dir", "module_name"),
    *("network_interface_name", "num_cpus", "num_gpus", "num_neurons", "output_data_dir"),
    *("output_dir", "output_intermediate_dir", "resource_config", "user_entry_point"),
)
MASTER_PORT = 7777  # SDK v3, container_drivers/scripts/environment.py


def is_reserved(name: str) -> bool:
    """Return whether a hyperparameter is set by SageMaker or its SDK, not by the customer.

    >>> is_reserved("sagemaker_region")
    True
    """
    return name.startswith(RESERVED_PREFIX) or name in RESERVED_NAMES


def sm_variables(job: TrainingJob, num_cpus: int, num_gpus: int) -> dict[str, str]:
    """Return all ``SM_*`` variables of a job.

    Parameters
    ----------
    num_cpus, num_gpus : int
        The processors and GPUs that this container may use; see ``tabular.contract.machine``.

    Returns
    -------
    dict[str, str]
        Values encoded by ``encode``.
    """
    values = _path_variables(job) | _job_variables(job, num_cpus, num_gpus)
    values |= _host_variables(job)
    values["SM_TRAINING_ENV"] = _training_env(job, values)
    for name, channel in job.channels.items():
        values[f"SM_CHANNEL_{name.upper()}"] = str(channel.path)
    for name, value in _script_hyperparameters(job.hyperparameters).items():
        values[f"SM_HP_{name.upper()}"] = value
    return {name: encode(value) for name, value in values.items()}


def encode(value: object) -> str:
    """Encode one value as the training toolkit does.

    A string stays unchanged. None becomes ``""``. Any other value becomes compact JSON with sorted
    keys.

    >>> encode({"b": 1, "a": [True]})
    '{"a":[true],"b":1}'
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def script_arguments(hyperparameters: Mapping[str, object]) -> list[str]:
    """Return hyperparameters as arguments of a script, sorted by name.

    >>> script_arguments({"max_depth": 3, "k": "v"})
    ['-k', 'v', '--max_depth', '3']
    """
    arguments: list[str] = []
    for name, value in sorted(_script_hyperparameters(hyperparameters).items()):
        arguments += [f"-{name}" if len(name) == 1 else f"--{name}", _argument(value)]
    return arguments


def _argument(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)


def _script_hyperparameters(hyperparameters: Mapping[str, object]) -> dict[str, object]:
    """Return the hyperparameters without the reserved ones."""
    return {name: value for name, value in hyperparameters.items() if not is_reserved(name)}


def _path_variables(job: TrainingJob) -> dict[str, object]:
    paths = job.paths
    return {
        "SM_INPUT": str(paths.input),
        "SM_INPUT_DIR": str(paths.input),
        "SM_INPUT_CONFIG_DIR": str(paths.config),
        "SM_INPUT_DATA_DIR": str(paths.data),
        "SM_INPUT_TRAINING_CONFIG_FILE": str(paths.hyperparameters),
        "SM_INPUT_DATA_CONFIG_FILE": str(paths.input_data_config),
        "SM_CHECKPOINT_CONFIG_FILE": str(paths.checkpoint_config),
        "SM_MODEL_DIR": str(paths.model),
        "SM_OUTPUT_DIR": str(paths.output),
        "SM_OUTPUT_DATA_DIR": str(paths.output_data),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(paths.output_intermediate),
        "SM_OUTPUT_FAILURE": str(paths.failure),
        "SM_SOURCE_DIR": str(paths.code),
    }


def _job_variables(job: TrainingJob, num_cpus: int, num_gpus: int) -> dict[str, object]:
    script = job.script
    entry_point = script.program if script else None
    return {
        "SM_HPS": _script_hyperparameters(job.hyperparameters),
        "SM_USER_ARGS": script_arguments(job.hyperparameters),
        "SM_USER_ENTRY_POINT": entry_point,
        "SM_ENTRY_SCRIPT": entry_point,
        "SM_MODULE_NAME": entry_point.removesuffix(".py") if entry_point else None,
        "SM_MODULE_DIR": (script.source if script else "") or str(job.paths.code),
        "SM_FRAMEWORK_MODULE": "tabular.commands.train:main",
        "SM_FRAMEWORK_PARAMS": _framework_params(job),
        "SM_LOG_LEVEL": job.hyperparameters.get("sagemaker_container_log_level", 20),
        "SM_CHANNELS": list(job.channels),
        "SM_INPUT_DATA_CONFIG": dict(job.input_data_config),
        "SM_RESOURCE_CONFIG": dict(job.resource_config),
        "SM_NUM_CPUS": num_cpus,
        "SM_NUM_GPUS": num_gpus,
        "SM_NUM_NEURONS": 0,
    }


def _framework_params(job: TrainingJob) -> dict[str, object]:
    return {
        name: value
        for name, value in job.hyperparameters.items()
        if name.startswith(RESERVED_PREFIX) and name not in KNOWN_RESERVED
    }


def _host_variables(job: TrainingJob) -> dict[str, object]:
    hosts = job.hosts
    groups = {
        group.name: {
            "instance_group_name": group.name,
            "instance_type": group.instance_type,
            "hosts": list(group.hosts),
        }
        for group in hosts.groups
    }
    values: dict[str, object] = {
        "SM_HOSTS": list(hosts.names),
        "SM_HOST_COUNT": len(hosts.names),
        "SM_CURRENT_HOST": hosts.current,
        "SM_CURRENT_HOST_RANK": hosts.rank,
        "SM_MASTER_ADDR": hosts.leader,
        "SM_MASTER_PORT": MASTER_PORT,
        "SM_NETWORK_INTERFACE_NAME": hosts.network_interface,
        "SM_CURRENT_INSTANCE_TYPE": hosts.instance_type,
        "SM_CURRENT_INSTANCE_GROUP": hosts.current_group,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": groups.get(hosts.current_group, {}).get("hosts", []),
        "SM_INSTANCE_GROUPS": list(groups),
        "SM_INSTANCE_GROUPS_DICT": groups,
        "SM_DISTRIBUTION_INSTANCE_GROUPS": _distribution(job),
        "SM_IS_HETERO": len(groups) > 1,
    }
    if hosts.topology is not None:
        values["SM_TOPOLOGY"] = hosts.topology
    return values


def _distribution(job: TrainingJob) -> object:
    """Return the instance groups that a framework distributes training over."""
    given = _framework_params(job)
    if "sagemaker_distribution_instance_groups" in given:
        return given["sagemaker_distribution_instance_groups"]
    return [job.hosts.current_group] if any(given.get(name) for name in DISTRIBUTIONS) else []


def _training_env(job: TrainingJob, values: Mapping[str, object]) -> dict[str, object]:
    """Return the members of the toolkit's ``Environment`` object by name."""
    env = {name: values[f"SM_{name.upper()}"] for name in MEMBERS}
    distribution = cast(Sequence[str], env["distribution_instance_groups"])
    distribution_hosts = [
        host for group in job.hosts.groups if group.name in distribution for host in group.hosts
    ]
    if not job.hosts.groups:  # local mode
        distribution_hosts = list(job.hosts.names)
    master = distribution_hosts[0] if distribution_hosts else job.hosts.leader
    return env | {
        "additional_framework_parameters": values["SM_FRAMEWORK_PARAMS"],
        "channel_input_dirs": {name: str(channel.path) for name, channel in job.channels.items()},
        "distribution_hosts": distribution_hosts,
        "hyperparameters": values["SM_HPS"],
        "is_master": job.hosts.current == master,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": job.name or None,
        "master_hostname": master,
    }
