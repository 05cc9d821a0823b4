from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.errors import UserError
from tabular.contract.job import read_job

from ..conftest import JobFolder


def test_empty_folder_is_a_job_without_anything(job_folder: JobFolder) -> None:
    job = read_job(job_folder.environ)
    assert (job.hyperparameters, job.channels, job.checkpoints) == ({}, {}, None)


def test_hyperparameters_are_decoded(job_folder: JobFolder) -> None:
    job_folder.config("hyperparameters.json", {"num_round": "128", "eta": "0.001"})
    assert read_job(job_folder.environ).hyperparameters == {"num_round": 128, "eta": 0.001}


def test_name_comes_from_the_environment(job_folder: JobFolder) -> None:
    environ = {**job_folder.environ, "TRAINING_JOB_NAME": "abalone-1"}
    assert read_job(environ).name == "abalone-1"


def test_checkpoint_folder_is_read(job_folder: JobFolder) -> None:
    job_folder.config("checkpointconfig.json", {"LocalPath": "/opt/ml/kept"})
    assert read_job(job_folder.environ).checkpoints == Path("/opt/ml/kept")


def test_checkpoint_folder_has_a_default(job_folder: JobFolder) -> None:
    job_folder.config("checkpointconfig.json", {})
    assert read_job(job_folder.environ).checkpoints == Path("/opt/ml/checkpoints")


def test_null_in_a_configuration_file_is_absent(job_folder: JobFolder) -> None:
    job_folder.config("checkpointconfig.json", {"LocalPath": None})
    job_folder.config("inputdataconfig.json", {"train": None, "test": {"ContentType": None}})
    job_folder.config("hyperparameters.json", {"num_round": "3", "seed": None})
    job_folder.config("resourceconfig.json", {"hosts": None, "topology": None})
    job = read_job(job_folder.environ)
    assert list(job.channels) == ["test"]
    assert job.channels["test"].content_type is None
    assert job.hyperparameters == {"num_round": 3}
    assert job.hosts.names == ("algo-1",)
    assert job.resource_config == {"hosts": None, "topology": None}  # for scripts, as it is


@pytest.mark.parametrize("local_path", ["checkpoints", 1])
def test_checkpoint_folder_that_is_not_absolute_is_refused(
    job_folder: JobFolder, local_path: object
) -> None:
    job_folder.config("checkpointconfig.json", {"LocalPath": local_path})
    with pytest.raises(UserError, match="expected an absolute path"):
        read_job(job_folder.environ)


def test_broken_file_is_refused_by_name(job_folder: JobFolder) -> None:
    job_folder.config("resourceconfig.json", "{")
    with pytest.raises(UserError, match=r"resourceconfig\.json is not JSON"):
        read_job(job_folder.environ)
