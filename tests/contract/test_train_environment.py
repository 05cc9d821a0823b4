"""The ``SM_*`` variables that ``train`` sets for training code, and the number of processors."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest
from containers import run, run_train
from job_folder import BOTH, CHANNEL, RESOURCE_CONFIG, JobFolder

pytestmark = pytest.mark.timeout(300)

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
HYPERPARAMETERS = {
    "num_round": "5",
    "learning-rate": "0.1",
    "objective": '"reg:squarederror"',
    "k": "[1, 2]",
    "sagemaker_program": '"train.py"',
    "sagemaker_region": '"eu-west-1"',
    "sagemaker_mpi_enabled": "true",
    "_tuning_objective_metric": "validation:rmse",
}
CUSTOMERS = {"num_round": 5, "learning-rate": 0.1, "objective": "reg:squarederror", "k": [1, 2]}
HOSTS = ["algo-1"]
GROUP = RESOURCE_CONFIG["instance_groups"][0]
# Names and encoding: training-toolkit, environment.py (to_env_vars); SDK v3, environment.py.
VALUES: dict[str, object] = {
    "SM_CHANNELS": ["train", "validation"],
    "SM_CHECKPOINT_CONFIG_FILE": "/opt/ml/input/config/checkpointconfig.json",
    "SM_CURRENT_HOST": "algo-1",
    "SM_CURRENT_HOST_RANK": 0,
    "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
    "SM_CURRENT_INSTANCE_GROUP_HOSTS": HOSTS,
    "SM_CURRENT_INSTANCE_TYPE": "ml.m5.xlarge",
    "SM_DISTRIBUTION_INSTANCE_GROUPS": ["homogeneousCluster"],  # for sagemaker_mpi_enabled
    "SM_ENTRY_SCRIPT": "train.py",
    "SM_FRAMEWORK_MODULE": "tabular.commands.train:main",
    "SM_FRAMEWORK_PARAMS": {"sagemaker_mpi_enabled": True},
    "SM_HOSTS": HOSTS,
    "SM_HOST_COUNT": 1,
    "SM_HPS": CUSTOMERS,
    "SM_INPUT": "/opt/ml/input",
    "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
    "SM_INPUT_DATA_CONFIG": dict.fromkeys(BOTH, CHANNEL),
    "SM_INPUT_DATA_CONFIG_FILE": "/opt/ml/input/config/inputdataconfig.json",
    "SM_INPUT_DATA_DIR": "/opt/ml/input/data",
    "SM_INPUT_DIR": "/opt/ml/input",
    "SM_INPUT_TRAINING_CONFIG_FILE": "/opt/ml/input/config/hyperparameters.json",
    "SM_INSTANCE_GROUPS": ["homogeneousCluster"],
    "SM_INSTANCE_GROUPS_DICT": {"homogeneousCluster": GROUP},
    "SM_IS_HETERO": False,
    "SM_LOG_LEVEL": 20,
    "SM_MASTER_ADDR": "algo-1",
    "SM_MASTER_PORT": 7777,
    "SM_MODEL_DIR": "/opt/ml/model",
    "SM_MODULE_DIR": "/opt/ml/code",
    "SM_MODULE_NAME": "train",
    "SM_NETWORK_INTERFACE_NAME": "eth0",
    "SM_NUM_CPUS": 1,
    "SM_NUM_GPUS": 0,
    "SM_NUM_NEURONS": 0,
    "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
    "SM_OUTPUT_DIR": "/opt/ml/output",
    "SM_OUTPUT_FAILURE": "/opt/ml/output/failure",
    "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
    "SM_RESOURCE_CONFIG": RESOURCE_CONFIG,
    "SM_SOURCE_DIR": "/opt/ml/code",
    "SM_USER_ARGS": [
        *("-k", "[1, 2]"),
        *("--learning-rate", "0.1"),
        *("--num_round", "5"),
        *("--objective", "reg:squarederror"),
    ],
    "SM_USER_ENTRY_POINT": "train.py",
}
PER_NAME: dict[str, object] = {
    "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
    "SM_CHANNEL_VALIDATION": "/opt/ml/input/data/validation",
    "SM_HP_K": [1, 2],
    "SM_HP_LEARNING-RATE": 0.1,
    "SM_HP_NUM_ROUND": 5,
    "SM_HP_OBJECTIVE": "reg:squarederror",
}


@pytest.fixture(scope="module")
def environ(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of a script."""
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("environment"), HYPERPARAMETERS, files={"code/train.py": SHOW}
    )
    end = run_train(
        docker_engine,
        image,
        job,
        nano_cpus=1_000_000_000,
        environment={"TRAINING_JOB_NAME": "abalone-1"},
    )
    assert end.exit_code == 0, end.stderr
    shown: dict[str, str] = json.loads(end.stdout)
    return shown


@pytest.fixture(scope="module")
def variables(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("SM_")}


def encoded(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_exactly_the_documented_variables_are_set(variables: dict[str, str]) -> None:
    assert set(variables) == {*VALUES, *PER_NAME, "SM_TRAINING_ENV"}


@pytest.mark.parametrize("name", [*VALUES, *PER_NAME])
def test_variable_has_the_value_of_the_training_toolkit(
    variables: dict[str, str], name: str
) -> None:
    assert variables[name] == encoded({**VALUES, **PER_NAME}[name])


def test_training_env_has_the_members_of_the_toolkits_environment(
    variables: dict[str, str],
) -> None:
    renamed = {
        "additional_framework_parameters": VALUES["SM_FRAMEWORK_PARAMS"],
        "channel_input_dirs": {name: f"/opt/ml/input/data/{name}" for name in BOTH},
        "distribution_hosts": HOSTS,
        "hyperparameters": CUSTOMERS,
        "is_master": True,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": "abalone-1",
        "master_hostname": "algo-1",
    }
    absent = {
        *("channels", "checkpoint_config_file", "current_host_rank", "entry_script"),
        *("framework_params", "host_count", "hps", "input", "input_data_config_file"),
        *("input_data_dir", "input_training_config_file", "master_addr", "master_port"),
        *("output_failure", "source_dir", "user_args"),
    }
    same = {name.removeprefix("SM_").lower(): value for name, value in VALUES.items()}
    expected = {name: value for name, value in same.items() if name not in absent} | renamed
    assert variables["SM_TRAINING_ENV"] == encoded(expected)


def test_other_variables_are_those_of_the_toolkit(environ: dict[str, str]) -> None:
    names = ("CURRENT_HOST", "SAGEMAKER_JOB_NAME", "SAGEMAKER_REGION")
    assert [environ[name] for name in names] == ["algo-1", "", "eu-west-1"]


def test_own_modules_are_found_first(environ: dict[str, str]) -> None:
    assert environ["PYTHONPATH"] == "/opt/ml/code"


@pytest.mark.parametrize(("limit", "counted"), [(0.5, "1"), (1.0, "1"), (1.5, "2")])
def test_processors_are_those_of_the_containers_limit(
    docker_engine: docker.DockerClient, image: str, limit: float, counted: str
) -> None:
    count = "from tabular.contract.machine import available_cpus; print(available_cpus())"
    options = {"nano_cpus": int(limit * 1e9)}
    assert run(docker_engine, image, ["python", "-c", count], **options).stdout.strip() == counted


def test_processors_are_those_of_the_containers_affinity(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    count = "from tabular.contract.machine import available_cpus; print(available_cpus())"
    end = run(docker_engine, image, ["python", "-c", count], cpuset_cpus="0")
    assert end.stdout.strip() == "1"
