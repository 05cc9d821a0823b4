from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.channels import Channel
from tabular.contract.environment import encode, script_arguments, sm_variables
from tabular.contract.hosts import Hosts, InstanceGroup
from tabular.contract.hyperparameters import decode_all
from tabular.contract.job import TrainingJob
from tabular.contract.paths import Paths
from tabular.contract.script import TrainingScript

# Values, and the output of AWS's training toolkit for them.
RAW = {
    "flag": "true",
    "d": '{"x":1,"y":[2]}',
    "lst": '[1,2,"a"]',
    "none": "null",
    "empty": "",
    "k": "1",
    "lr": "0.1",
    "n-dash": "5",
    "raw": "plain",
    "s": "hello world",
}
ARGUMENTS = [
    *("-d", "x=1,y=[2]", "--empty", "", "--flag", "True", "-k", "1", "--lr", "0.1"),
    *("--lst", "[1, 2, 'a']", "--n-dash", "5", "--none", "", "--raw", "plain"),
    *("-s", "hello world"),
]
RESERVED = {
    "sagemaker_program": "train.py",
    "sagemaker_mpi_enabled": False,
    "_tuning_objective_metric": "validation:rmse",
    "default_user_module_name": "m",
}


def job(
    hyperparameters: dict[str, object],
    hosts: Hosts | None = None,
    script: TrainingScript | None = None,
) -> TrainingJob:
    return TrainingJob(
        name="j",
        paths=Paths(),
        hyperparameters=hyperparameters,
        channels={"train": Channel("train", Path("/opt/ml/input/data/train"))},
        hosts=hosts or Hosts(),
        checkpoints=None,
        resource_config={"hosts": ["algo-1"], "current_host": "algo-1"},
        input_data_config={"train": {}},
        script=script,
    )


def variables(**hyperparameters: object) -> dict[str, str]:
    return sm_variables(job(hyperparameters), num_cpus=4, num_gpus=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("plain", "plain"),
        (True, "true"),
        (0.1, "0.1"),
        ({"y": [2], "x": 1}, '{"x":1,"y":[2]}'),
        ([1, 2, "a"], '[1,2,"a"]'),
    ],
)
def test_value_is_encoded_as_the_toolkit_does(value: object, text: str) -> None:
    assert encode(value) == text


@given(st.dictionaries(st.text(), st.integers() | st.booleans() | st.lists(st.integers())))
def test_objects_survive_encoding(value: dict[str, object]) -> None:
    assert json.loads(encode(value)) == value


def test_arguments_are_those_of_the_toolkit() -> None:
    assert script_arguments(decode_all(RAW)) == ARGUMENTS


def test_hyperparameters_variable_is_that_of_the_toolkit() -> None:
    given = {name: RAW[name] for name in ("flag", "d", "lst", "none")}
    assert variables(**decode_all(given))["SM_HPS"] == (
        '{"d":{"x":1,"y":[2]},"flag":true,"lst":[1,2,"a"],"none":null}'
    )


@pytest.mark.parametrize(
    ("name", "value", "variable", "text"),
    [
        ("flag", True, "SM_HP_FLAG", "true"),
        ("d", {"x": 1, "y": [2]}, "SM_HP_D", '{"x":1,"y":[2]}'),
        ("n-dash", 5, "SM_HP_N-DASH", "5"),
        ("none", None, "SM_HP_NONE", ""),
    ],
)
def test_each_hyperparameter_has_a_variable(
    name: str, value: object, variable: str, text: str
) -> None:
    assert variables(**{name: value})[variable] == text


def test_reserved_names_are_not_in_sm_hps() -> None:
    assert variables(eta=1, **RESERVED)["SM_HPS"] == '{"eta":1}'


def test_reserved_names_are_not_arguments() -> None:
    assert script_arguments({"eta": 1, **RESERVED}) == ["--eta", "1"]


def test_unknown_reserved_names_are_framework_parameters() -> None:
    assert variables(**RESERVED)["SM_FRAMEWORK_PARAMS"] == '{"sagemaker_mpi_enabled":false}'


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SM_MODULE_NAME", "train"),
        ("SM_USER_ENTRY_POINT", "train.py"),
        ("SM_MODULE_DIR", "s3://bucket/sourcedir.tar.gz"),
    ],
)
def test_script_has_variables(variable: str, text: str) -> None:
    script = TrainingScript("train.py", "s3://bucket/sourcedir.tar.gz")
    assert sm_variables(job({}, script=script), 1, 0)[variable] == text


def test_channel_has_a_variable() -> None:
    assert variables()["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SM_HOSTS", '["algo-1"]'),
        ("SM_CURRENT_HOST", "algo-1"),
        ("SM_CURRENT_INSTANCE_TYPE", "local"),
        ("SM_CURRENT_INSTANCE_GROUP", "homogeneousCluster"),
        ("SM_NETWORK_INTERFACE_NAME", "eth0"),
        ("SM_CHANNELS", '["train"]'),
        ("SM_MODEL_DIR", "/opt/ml/model"),
        ("SM_OUTPUT_DATA_DIR", "/opt/ml/output/data"),
        ("SM_OUTPUT_INTERMEDIATE_DIR", "/opt/ml/output/intermediate"),
        ("SM_OUTPUT_FAILURE", "/opt/ml/output/failure"),
        ("SM_INPUT_TRAINING_CONFIG_FILE", "/opt/ml/input/config/hyperparameters.json"),
        ("SM_MODULE_DIR", "/opt/ml/code"),
        ("SM_NUM_CPUS", "4"),
        ("SM_NUM_GPUS", "0"),
        ("SM_LOG_LEVEL", "20"),
        ("SM_USER_ENTRY_POINT", ""),
        ("SM_MASTER_ADDR", "algo-1"),
        ("SM_MASTER_PORT", "7777"),
        ("SM_IS_HETERO", "false"),
        ("SM_RESOURCE_CONFIG", '{"current_host":"algo-1","hosts":["algo-1"]}'),
    ],
)
def test_variable_of_a_plain_job(variable: str, text: str) -> None:
    assert variables()[variable] == text


def test_topology_has_a_variable_only_when_there_is_one() -> None:
    assert "SM_TOPOLOGY" not in variables()


def test_two_groups_are_heterogeneous() -> None:
    groups = (InstanceGroup("a", "t", ("algo-1",)), InstanceGroup("b", "t", ("algo-2",)))
    hosts = Hosts(names=("algo-1", "algo-2"), groups=groups)
    assert sm_variables(job({}, hosts), 1, 0)["SM_IS_HETERO"] == "true"


def test_training_environment_has_the_members_of_the_toolkits() -> None:
    # The members of Environment in sagemaker-training 5.1, from logs of real jobs.
    assert sorted(json.loads(variables()["SM_TRAINING_ENV"])) == [
        *("additional_framework_parameters", "channel_input_dirs", "current_host"),
        *("current_instance_group", "current_instance_group_hosts", "current_instance_type"),
        *("distribution_hosts", "distribution_instance_groups", "framework_module", "hosts"),
        *("hyperparameters", "input_config_dir", "input_data_config", "input_dir"),
        *("instance_groups", "instance_groups_dict", "is_hetero", "is_master"),
        *("is_modelparallel_enabled", "is_smddpmprun_installed", "is_smddprun_installed"),
        *("job_name", "log_level", "master_hostname", "model_dir", "module_dir", "module_name"),
        *("network_interface_name", "num_cpus", "num_gpus", "num_neurons", "output_data_dir"),
        *("output_dir", "output_intermediate_dir", "resource_config", "user_entry_point"),
    ]


def test_training_environment_holds_the_hyperparameters() -> None:
    environment = json.loads(variables(eta=0.5, **RESERVED)["SM_TRAINING_ENV"])
    assert environment["hyperparameters"] == {"eta": 0.5}
    assert environment["additional_framework_parameters"] == {"sagemaker_mpi_enabled": False}


@pytest.mark.parametrize(
    ("hyperparameters", "groups"),
    [
        ({}, []),
        ({"sagemaker_mpi_enabled": True}, ["a"]),
        ({"sagemaker_distribution_instance_groups": ["b"]}, ["b"]),
    ],
)
def test_groups_to_distribute_over_are_those_of_the_toolkit(
    hyperparameters: dict[str, object], groups: list[str]
) -> None:
    both = (InstanceGroup("a", "t", ("algo-1",)), InstanceGroup("b", "t", ("algo-2",)))
    hosts = Hosts(names=("algo-1", "algo-2"), current_group="a", groups=both)
    values = sm_variables(job(hyperparameters, hosts), 1, 0)
    assert json.loads(values["SM_DISTRIBUTION_INSTANCE_GROUPS"]) == groups
    master = json.loads(values["SM_TRAINING_ENV"])["master_hostname"]
    assert master == ("algo-2" if groups == ["b"] else "algo-1")
