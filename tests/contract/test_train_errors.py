"""``train`` on jobs that fail: one clear line on stderr and in the failure file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from containers import Train, Trained, bind, run_train
from job_folder import BOTH, HYPERPARAMETERS, TRAIN, JobFolder
from mistakes import MISTAKES, Mistake, hyperparameters

pytestmark = pytest.mark.timeout(300)

REASON_CHARACTERS = 1024  # what DescribeTrainingJob shows
PLATFORM_ERROR = 3  # tabular/contract/errors.py


@dataclass(frozen=True)
class Failed:
    """A mistake, and how the job that made it ended."""

    mistake: Mistake
    end: Trained


@pytest.fixture(scope="module", params=MISTAKES)
def failed(
    request: pytest.FixtureRequest,
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Failed:
    mistake = MISTAKES[request.param]
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("mistake"),
        hyperparameters(mistake),
        mistake.channels,
        mistake.files,
    )
    return Failed(mistake, run_train(docker_engine, image, job))


def test_exit_code_is_that_of_the_kind_of_failure(failed: Failed) -> None:
    assert failed.end.exit_code == failed.mistake.exit_code


def test_failure_begins_with_its_kind(failed: Failed) -> None:
    assert failed.end.reason.startswith(f"{failed.mistake.kind}: ")


def test_failure_names_the_mistake(failed: Failed) -> None:
    absent = [words for words in failed.mistake.named if words not in failed.end.reason]
    assert not absent, failed.end.reason


def test_failure_names_the_remedy(failed: Failed) -> None:
    assert re.search(failed.mistake.remedy, failed.end.reason), failed.end.reason


def test_failure_fits_into_the_failure_reason_of_sagemaker(failed: Failed) -> None:
    assert len(failed.end.reason) <= REASON_CHARACTERS


def test_stderr_ends_with_the_failure(failed: Failed) -> None:
    assert failed.end.last_line == failed.end.reason


def test_stderr_has_no_traceback(failed: Failed) -> None:
    assert "Traceback" not in failed.end.stderr


def test_no_model_is_left(failed: Failed) -> None:
    assert failed.end.job.saved() == []


def test_dangling_link_is_a_user_error_that_names_it(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path)
    (job.root / "input/data/train/more.csv").symlink_to("/nowhere/more.csv")
    reason = run_train(docker_engine, image, job).reason
    assert reason.startswith("UserError: /opt/ml/input/data/train/more.csv"), reason


def test_unreadable_data_file_is_a_user_error_that_names_it(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path)
    job.open_to_all()
    (job.root / "input/data/train/data.csv").chmod(0o600)
    reason = run_train(docker_engine, image, job, user="1234:1234").reason
    assert reason.startswith("UserError: /opt/ml/input/data/train/data.csv"), reason


def test_full_disk_is_named_with_its_remedy(train: Train) -> None:
    # 4 KiB hold less than the model.
    end = train(tmpfs={"/opt/ml/model": "size=4k"})
    assert end.exit_code == PLATFORM_ERROR
    assert re.search("PlatformError: /opt/ml/model.*disk is full.*larger volume", end.reason)


def test_full_disk_leaves_the_reason_on_stderr_if_the_failure_file_does_not_fit(
    train: Train,
) -> None:
    full = {"/opt/ml/model": "size=4k", "/opt/ml/output": "size=4k,nr_inodes=1"}
    end = train(tmpfs=full)
    assert end.exit_code == PLATFORM_ERROR
    assert re.search("PlatformError: /opt/ml/model.*disk is full.*larger volume", end.last_line)
    assert "/opt/ml/output/failure can't be written: No space left on device" in end.stderr


def test_full_disk_gives_no_traceback(train: Train) -> None:
    assert "Traceback" not in train(tmpfs={"/opt/ml/model": "size=4k"}).stderr


def test_read_only_model_folder_is_named_with_its_remedy(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path)
    mounts = [bind(job.model, "/opt/ml/model", read_only=True)]
    end = run_train(docker_engine, image, job, mounts)
    assert end.exit_code == PLATFORM_ERROR
    assert re.search("PlatformError: /opt/ml/model.*mount it writable", end.reason), end.reason


def test_model_folder_of_another_user_is_named_with_its_remedy(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path)
    job.open_to_all()
    job.model.chmod(0o755)
    end = run_train(docker_engine, image, job, user="1234:1234")
    assert end.exit_code == PLATFORM_ERROR
    assert re.search("PlatformError: /opt/ml/model.*mount it writable", end.reason), end.reason


@pytest.mark.parametrize("name", ["tabular", "tabular/manifest.json", "xgboost-model"])
def test_path_that_can_not_be_replaced_by_a_file_is_named_before_training(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, name: str
) -> None:
    job = JobFolder.lay_out(tmp_path)
    obstacle = job.model / name
    if name == "tabular":
        obstacle.write_text("a file")
    else:
        (obstacle / "kept").mkdir(parents=True)
    end = run_train(docker_engine, image, job)
    assert end.exit_code == PLATFORM_ERROR
    path = re.escape(f"/opt/ml/model/{name}")
    assert re.search(f"PlatformError: {path} can't be written .*: move it away", end.reason)
    assert "train-rmse" not in end.stdout
    assert obstacle.exists()


def test_folder_of_the_artifact_that_is_read_only_is_named(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path)
    (job.model / "tabular").mkdir()
    job.open_to_all()
    (job.model / "tabular").chmod(0o555)
    end = run_train(docker_engine, image, job, user="1234:1234")
    assert end.exit_code == PLATFORM_ERROR
    assert "/opt/ml/model/tabular can't be written (Permission denied)" in end.reason


@pytest.mark.parametrize("limit", range(1, 6))
def test_limit_of_processes_is_named_with_its_remedy(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, limit: int
) -> None:
    job = JobFolder.lay_out(tmp_path)
    end = run_train(docker_engine, image, job, pids_limit=limit)
    assert end.exit_code == PLATFORM_ERROR, end.stderr
    assert re.search("PlatformError: the container can't start .* --pids-limit", end.reason)


def test_failure_of_a_rerun_replaces_that_of_the_run_before(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "eta": "2"}, files={"output/failure": "old\n" * 1000})
    assert end.reason.startswith("UserError: Hyperparameter eta")
    assert "old" not in (end.failure or "")


def test_failed_rerun_leaves_the_model_of_the_run_before(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "eta": "2"}, files={"model/xgboost-model": "old"})
    assert (end.job.model / "xgboost-model").read_text() == "old"


def test_mistake_in_settings_is_found_before_the_data_is_read(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "eta": "2"}, {"train": {"data.csv": "a,b\n" + TRAIN}})
    assert "Hyperparameter eta" in end.reason


def test_mistake_in_validation_data_names_the_file_there(train: Train) -> None:
    end = train(channels={**BOTH, "validation": {"v.csv": "1,x,3,4,5\n"}})
    assert "/opt/ml/input/data/validation/v.csv line 1, column 2" in end.reason
