"""The configuration of a job for scripts; expected values from sagemaker-training 5.1.4."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagemaker_containers import training_env
from sagemaker_containers.beta.framework import env, files, functions, modules
from sagemaker_containers.beta.framework import training_env as framework_env
from sagemaker_training import environment, mapping

COMPAT = Path(__file__).parents[3] / "container"
RESOURCES = {
    "current_host": "algo-2",
    "hosts": ["algo-1", "algo-2"],
    "network_interface_name": "eth1",
    "current_instance_type": "ml.m5.large",
    "current_group_name": "homogeneousCluster",
    "instance_groups": [
        {
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.m5.large",
            "hosts": ["algo-1", "algo-2"],
        }
    ],
}
CHANNELS = {"train": {"ContentType": "text/csv"}, "validation": {}}
HYPERPARAMETERS = {
    "max_depth": "5",
    "objective": '"reg:squarederror"',
    "flag": "true",
    "python": "True",
    "name": "plain",
    "layers": "[1, 2]",
    "sagemaker_program": '"abalone.py"',
    "sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"',
    "sagemaker_region": '"eu-central-1"',
    "sagemaker_mpi_enabled": "false",
}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    for name, content in (
        ("hyperparameters", HYPERPARAMETERS),
        ("inputdataconfig", CHANNELS),
        ("resourceconfig", RESOURCES),
    ):
        (config / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("TRAINING_JOB_NAME", "job-1")
    monkeypatch.delenv("SAGEMAKER_PROGRAM", raising=False)
    return tmp_path


def test_job_is_read_as_attributes_and_as_a_dictionary(job: Path) -> None:
    found = environment.Environment()
    expected: dict[str, Any] = {
        "additional_framework_parameters": {"sagemaker_mpi_enabled": False},
        "channel_input_dirs": {
            "train": f"{job}/input/data/train",
            "validation": f"{job}/input/data/validation",
        },
        "current_host": "algo-2",
        "current_instance_group": "homogeneousCluster",
        "current_instance_group_hosts": ["algo-1", "algo-2"],
        "current_instance_type": "ml.m5.large",
        "distribution_hosts": [],
        "distribution_instance_groups": [],
        "hosts": ["algo-1", "algo-2"],
        "hyperparameters": {
            "max_depth": 5,
            "objective": "reg:squarederror",
            "flag": True,
            "python": "True",
            "name": "plain",
            "layers": [1, 2],
        },
        "input_config_dir": f"{job}/input/config",
        "input_data_config": CHANNELS,
        "input_dir": f"{job}/input",
        "instance_groups": ["homogeneousCluster"],
        "is_hetero": False,
        "is_master": False,
        "job_name": "job-1",
        "log_level": 20,
        "master_hostname": "algo-1",
        "model_dir": f"{job}/model",
        "module_dir": "s3://b/sourcedir.tar.gz",
        "module_name": "abalone",
        "network_interface_name": "eth1",
        "num_gpus": 0,
        "num_neurons": 0,
        "output_data_dir": f"{job}/output/data",
        "output_dir": f"{job}/output",
        "output_intermediate_dir": f"{job}/output/intermediate",
        "resource_config": RESOURCES,
        "topology": [],
        "user_entry_point": "abalone.py",
    }
    assert {name: found[name] for name in expected} == expected
    assert {name: getattr(found, name) for name in expected} == expected
    assert dict(training_env()) == dict(framework_env()) == dict(found)
    assert found.num_cpus >= 1
    assert found.sagemaker_s3_output() is None
    with pytest.raises(AttributeError, match="Environment has no 'no_such'"):
        _ = found.no_such


def test_arguments_and_variables_are_those_of_the_script(job: Path) -> None:
    found = environment.Environment()
    assert " ".join(found.to_cmd_args()) == (
        "--flag True --layers [1, 2] --max_depth 5 --name plain --objective reg:squarederror "
        "--python True"
    )
    variables = found.to_env_vars()
    assert variables["SM_HOSTS"] == '["algo-1","algo-2"]'
    assert variables["SM_CHANNEL_TRAIN"] == f"{job}/input/data/train"
    assert variables["SM_HP_MAX_DEPTH"] == "5"


def test_what_is_given_counts_more_than_the_files(job: Path) -> None:
    found = environment.Environment({"current_host": "a", "hosts": ["a"]}, {"x": {}}, {"k": 1})
    assert (found.hosts, found.hyperparameters, found.is_master) == (["a"], {"k": 1}, True)
    assert list(found.channel_input_dirs) == ["x"]


def test_files_and_folders_can_be_asked_for_by_themselves(job: Path) -> None:
    assert env.read_hyperparameters()["python"] == "True"
    assert env.read_resource_config() == RESOURCES
    assert env.read_input_data_config() == CHANNELS
    assert env.channel_path("train") == f"{job}/input/data/train"
    code = "from sagemaker_containers.beta.framework import env; print(env.model_dir, env.code_dir)"
    path = f"{COMPAT}:{COMPAT / 'compat'}"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{job}/model {job}/code\n"


def test_serving_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "inference.py")
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv")
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_WORKERS", "3")
    found = env.ServingEnv()
    assert (found.module_name, found.default_accept) == ("inference", "text/csv")
    assert (found.model_server_workers, found.http_port) == (3, "8080")


def test_mappings_are_spelt_as_the_toolkit_spells_them() -> None:
    values = {"d": {"y": [2], "x": 1}, "flag": True, "k": 1, "lst": [1, "a"], "none": None}
    spelt = " ".join(mapping.to_cmd_args({**values, "b": b"x"}))
    assert spelt == "-b x -d x=1,y=[2] --flag True -k 1 --lst [1, 'a'] --none "
    assert mapping.to_env_vars({**values, "b": b"\xe9", "": 1}) == {
        "SM_D": '{"x":1,"y":[2]}',
        "SM_FLAG": "true",
        "SM_K": "1",
        "SM_LST": '[1,"a"]',
        "SM_NONE": "",
        "SM_B": "é",
        "": "1",
    }
    split = mapping.split_by_criteria({"sagemaker_a": 1, "b": 2, "c": 3}, ["c"], "sagemaker_")
    assert split.included == {"sagemaker_a": 1, "c": 3}
    assert split.excluded == {"b": 2}


def test_reason_of_a_failure_is_written_where_sagemaker_reads_it(job: Path) -> None:
    files.write_failure_file("no rows")
    files.write_success_file()
    assert files.read_file(str(job / "output/failure")) == "no rows"
    assert files.read_file(str(job / "output/success")) == ""
    assert files.read_json(str(job / "input/config/inputdataconfig.json")) == CHANNELS
    with files.tmpdir() as folder:
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def test_functions_get_what_they_ask_for() -> None:
    def two(a: int, b: int) -> None: ...
    def anything(**kwargs: int) -> None: ...

    assert functions.matching_args(two, {"a": 1, "c": 3}) == {"a": 1}
    assert functions.matching_args(anything, {"a": 1, "c": 3}) == {"a": 1, "c": 3}
    with pytest.raises(KeyError):
        functions.error_wrapper(int, KeyError)("x")


def test_modules_tell_what_is_installed(tmp_path: Path) -> None:
    assert modules.exists("json")
    assert not modules.exists("no_such_module")
    assert not modules.has_requirements(str(tmp_path))
