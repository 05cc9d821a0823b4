"""Checkpoints in ``docker run image train``: what a killed job leaves, and how it resumes."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pytest
import xgboost
from containers import Ended, Trained, bind, ended, run_train, serving, started, wait_until
from docker.models.containers import Container
from job_folder import BOTH, JobFolder, csv_text, table

pytestmark = pytest.mark.timeout(300)

CHECKPOINT = re.compile(r"xgboost-checkpoint\.(\d+)")
DRAWN = {
    "objective": "reg:squarederror",
    "max_depth": "5",
    "subsample": "0.5",
    "colsample_bytree": "0.5",
    "seed": "3",
}
ENDLESS = "100000"
CHANNELS = {
    "train": {"a.csv": csv_text(table(rows=2000, features=10))},
    "validation": {"a.csv": csv_text(table(rows=200, features=10, seed=1))},
}


def lay_out(
    root: Path, num_round: int | str, channels: Any = CHANNELS, path: str = "", **more: str
) -> JobFolder:
    """Lay out a job with CheckpointConfig."""
    config = {"LocalPath": path or "/opt/ml/checkpoints", "S3Uri": "s3://bucket/checkpoints"}
    return JobFolder.lay_out(
        root,
        {**DRAWN, "num_round": str(num_round), **more},
        channels,
        {"input/config/checkpointconfig.json": json.dumps(config)},
    )


def well(engine: docker.DockerClient, image: str, job: JobFolder) -> Trained:
    end = run_train(engine, image, job)
    assert end.exit_code == 0, end.stderr
    return end


@contextmanager
def running(engine: docker.DockerClient, image: str, job: JobFolder) -> Iterator[Container]:
    with started(engine, image, "train", network_mode="none", mounts=[bind(job.root)]) as container:
        yield container


def checkpoints(job: JobFolder, folder: str = "checkpoints") -> dict[int, Path]:
    """Find the checkpoints by round, oldest first."""
    paths = (job.root / folder).glob("*")
    named = ((CHECKPOINT.fullmatch(path.name), path) for path in paths)
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def numbers(stdout: str) -> list[int]:
    """Read the rounds of the metric lines."""
    return [int(line[1 : line.index("]")]) for line in stdout.splitlines()]


def model_of(job: JobFolder) -> bytes:
    return (job.model / "xgboost-model").read_bytes()


def copied(end: Trained, root: Path) -> JobFolder:
    """Copy a job's folder as SageMaker does: everything except the model."""
    shutil.copytree(end.job.root, root, ignore=shutil.ignore_patterns("model", "output"))
    (root / "model").mkdir()
    (root / "output").mkdir()
    return JobFolder(root)


@pytest.fixture(scope="module")
def unbroken(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A job of 300 rounds that ended."""
    return well(docker_engine, image, lay_out(tmp_path_factory.mktemp("unbroken"), 300))


def test_only_five_checkpoints_are_left(unbroken: Trained) -> None:
    assert len(checkpoints(unbroken.job)) == 5
    assert len(list((unbroken.job.root / "checkpoints").iterdir())) == 5


def test_newest_checkpoint_is_the_model_after_the_last_round(unbroken: Trained) -> None:
    number, path = list(checkpoints(unbroken.job).items())[-1]
    newest = xgboost.Booster(model_file=bytearray(path.read_bytes()))
    assert number == 299
    assert newest.save_raw("ubj") == model_of(unbroken.job)


def test_job_that_had_ended_adds_no_round(
    docker_engine: docker.DockerClient, image: str, unbroken: Trained, tmp_path: Path
) -> None:
    job = copied(unbroken, tmp_path / "job")
    again = well(docker_engine, image, job)
    assert again.stdout == ""
    assert model_of(job) == model_of(unbroken.job)
    assert job.manifest["metrics"] == pytest.approx(unbroken.job.manifest["metrics"])


def test_truncated_checkpoint_is_skipped(
    docker_engine: docker.DockerClient, image: str, unbroken: Trained, tmp_path: Path
) -> None:
    job = copied(unbroken, tmp_path / "job")
    *_, (before, _), (_, torn) = checkpoints(job).items()
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    again = well(docker_engine, image, job)
    assert f"/opt/ml/checkpoints/{torn.name} is passed over" in again.stderr
    assert numbers(again.stdout) == list(range(before + 1, 300))
    assert model_of(job) == model_of(unbroken.job)


@pytest.mark.parametrize("damage", ["one bit", "a page of zeros", "its end", "all of it"])
def test_damaged_checkpoints_are_skipped(
    docker_engine: docker.DockerClient,
    image: str,
    unbroken: Trained,
    tmp_path: Path,
    damage: str,
) -> None:
    job = copied(unbroken, tmp_path / "job")
    *_, (before, _), (_, older), (_, newest) = checkpoints(job).items()
    for path in (older, newest):
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        if damage == "one bit":
            content[middle] ^= 1
        elif damage == "a page of zeros":
            content[middle : middle + 4096] = bytes(4096)
        elif damage == "its end":
            del content[-30:]
        else:
            content.clear()
        path.write_bytes(content)
    again = well(docker_engine, image, job)
    for path in (older, newest):
        assert f"WARNING /opt/ml/checkpoints/{path.name} is passed over" in again.stderr
    assert numbers(again.stdout) == list(range(before + 1, 300))
    assert model_of(job) == model_of(unbroken.job)


def test_job_whose_checkpoints_are_all_damaged_starts_again(
    docker_engine: docker.DockerClient, image: str, unbroken: Trained, tmp_path: Path
) -> None:
    job = copied(unbroken, tmp_path / "job")
    for path in checkpoints(job).values():
        path.write_bytes(path.read_bytes().replace(b"learner", b"leaner!", 1))
    again = well(docker_engine, image, job)
    assert again.stderr.count("is passed over") == 5
    assert numbers(again.stdout) == list(range(300))
    assert model_of(job) == model_of(unbroken.job)


def test_checkpoint_is_kept_during_its_upload(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, 300)
    marker = job.root / "checkpoints/xgboost-checkpoint.0.sagemaker-uploading"
    marker.parent.mkdir()
    marker.touch()
    well(docker_engine, image, job)
    assert min(checkpoints(job)) == 0
    assert len(checkpoints(job)) == 6
    assert marker.exists()


@pytest.fixture(scope="module")
def killed(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[JobFolder, Ended]:
    """A job's folder after SIGKILL during its rounds, and the job's output."""
    job = lay_out(tmp_path_factory.mktemp("killed"), ENDLESS)
    with running(docker_engine, image, job) as container:
        wait_until(lambda: b"[20]" in container.logs(stderr=False), "round 20 is on stdout")
        container.kill()
        end = ended(container)
    return job, end


def finished(
    engine: docker.DockerClient, image: str, job: JobFolder, rounds: int, root: Path
) -> tuple[Trained, Trained]:
    """Resume a killed job for some rounds; run an uninterrupted job of equal length."""
    number = max(checkpoints(job), default=-1) + 1 + rounds
    resumed = well(engine, image, lay_out(job.root, number))
    return resumed, well(engine, image, lay_out(root, number))


def test_killed_job_resumes_from_its_checkpoint(
    docker_engine: docker.DockerClient, image: str, killed: tuple[JobFolder, Ended], tmp_path: Path
) -> None:
    job, end = killed
    newest = max(checkpoints(job))
    assert 0 <= newest <= numbers(end.stdout)[-1]
    resumed, unbroken = finished(docker_engine, image, job, 15, tmp_path)
    assert f"resumed from checkpoint {newest}: {newest + 1} rounds are done" in resumed.stderr
    assert numbers(resumed.stdout)[0] == newest + 1
    assert resumed.stdout.splitlines() == unbroken.stdout.splitlines()[newest + 1 :]
    assert model_of(job) == model_of(unbroken.job)


def test_job_killed_three_times_trains_the_same_model(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path / "job", ENDLESS)
    moments = random.Random(8)
    for _ in range(3):
        with running(docker_engine, image, job) as container:
            time.sleep(moments.uniform(0.5, 2.5))
            container.kill()
    _, unbroken = finished(docker_engine, image, job, 10, tmp_path / "unbroken")
    assert model_of(job) == model_of(unbroken.job)


def test_resumed_early_stopping_knows_the_best_round(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    unbroken = well(
        docker_engine, image, lay_out(tmp_path / "a", 2000, eta="0.9", early_stopping_rounds="60")
    )
    rounds = numbers(unbroken.stdout)[-1] + 1
    best = rounds - 1 - 60
    assert rounds < 2000
    job = copied(unbroken, tmp_path / "b")
    *_, (before, _), (_, newest) = checkpoints(job).items()
    assert before > best
    newest.unlink()
    resumed = well(docker_engine, image, job)
    assert numbers(resumed.stdout) == list(range(before + 1, rounds))
    assert model_of(job) == model_of(unbroken.job)
    assert job.manifest["best_iteration"] == best


def test_sigterm_with_saving_leaves_a_model_and_a_checkpoint_of_the_same_round(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, ENDLESS, save_model_on_termination="true")
    with running(docker_engine, image, job) as container:
        wait_until(lambda: b"[20]" in container.logs(stderr=False), "round 20 is on stdout")
        container.stop(timeout=120)
        end = ended(container)
    assert end.exit_code == 0, end.stderr
    last = numbers(end.stdout)[-1]
    assert job.manifest["rounds"] == last + 1
    assert max(checkpoints(job)) == last
    again = well(docker_engine, image, lay_out(tmp_path, last + 4))
    assert numbers(again.stdout) == [last + 1, last + 2, last + 3]


def test_sigterm_without_saving_leaves_checkpoints_to_resume_from(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, ENDLESS)
    with running(docker_engine, image, job) as container:
        wait_until(lambda: b"[20]" in container.logs(stderr=False), "round 20 is on stdout")
        container.stop(timeout=120)
        end = ended(container)
    assert end.exit_code == 128 + 15
    assert job.saved() == []
    newest = max(checkpoints(job))
    again = well(docker_engine, image, lay_out(tmp_path, newest + 3))
    assert numbers(again.stdout) == [newest + 1, newest + 2]


def test_folds_resume_within_a_fold(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    rounds = 400

    def job(name: str) -> JobFolder:
        return lay_out(tmp_path / name, rounds, _kfold="3")

    broken = job("broken")
    with running(docker_engine, image, broken) as container:
        wait_until(lambda: checkpoints(broken, "checkpoints/model-1"), "the second fold has begun")
        container.kill()
    newest = [max(checkpoints(broken, f"checkpoints/model-{fold}"), default=-1) for fold in (0, 1)]
    assert newest[0] == rounds - 1
    assert 0 <= newest[1] < rounds - 1
    resumed = well(docker_engine, image, broken)
    left = [*range(newest[1] + 1, rounds), *range(rounds), rounds]  # the last is the summary
    assert numbers(resumed.stdout) == left
    unbroken = well(docker_engine, image, job("unbroken"))
    assert resumed.stdout.splitlines() == unbroken.stdout.splitlines()[-len(left) :]
    for name in ("xgboost-model-0", "xgboost-model-1", "xgboost-model-2"):
        assert (broken.model / name).read_bytes() == (unbroken.job.model / name).read_bytes()
    predictions = "output/data/predictions.csv"
    written = (unbroken.job.root / predictions).read_bytes()
    assert (broken.root / predictions).read_bytes() == written


def test_full_disk_is_a_platform_error_that_names_the_checkpoint(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, 300)
    end = run_train(docker_engine, image, job, tmpfs={"/opt/ml/checkpoints": "size=64k"})
    assert end.exit_code == 3
    assert end.reason.startswith("PlatformError: /opt/ml/checkpoints/xgboost-checkpoint.")
    assert "the disk is full" in end.reason
    assert job.saved() == []


def test_checkpoints_are_in_the_folder_of_the_job(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, 3, BOTH, path="/opt/ml/elsewhere/deep")
    well(docker_engine, image, job)
    assert max(checkpoints(job, "elsewhere/deep")) == 2
    assert not (job.root / "checkpoints").exists()


def test_without_checkpoint_config_there_are_no_checkpoints(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path, {**DRAWN, "num_round": "3"})
    well(docker_engine, image, job)
    assert not (job.root / "checkpoints").exists()


def leave_checkpoint(
    job: JobFolder, features: int = 4, names: list[str] | None = None, **more: Any
) -> None:
    """Leave a checkpoint of 5 rounds as AWS's container does: ``Booster.save_model``, UBJSON."""
    rows = np.array(table(features=features))
    label = rows[:, 0] > 0 if more.get("objective", "").startswith("binary") else rows[:, 0]
    matrix = xgboost.DMatrix(rows[:, 1:], label, feature_names=names)
    booster = xgboost.train({"max_depth": 3, **more}, matrix, 5)
    folder = job.root / "checkpoints"
    folder.mkdir()
    booster.save_model(folder / "model.ubj")
    (folder / "model.ubj").rename(folder / "xgboost-checkpoint.4")


def test_job_resumes_from_a_checkpoint_of_aws_container(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = lay_out(tmp_path, 8, BOTH)
    leave_checkpoint(job)
    before = (job.root / "checkpoints/xgboost-checkpoint.4").read_bytes()
    end = well(docker_engine, image, job)
    assert numbers(end.stdout) == [5, 6, 7]
    whole = xgboost.Booster(model_file=bytearray(model_of(job)))
    first = xgboost.Booster(model_file=bytearray(before))
    assert whole.get_dump()[:5] == first.get_dump()
    with serving(docker_engine, image, job.model) as server:
        assert server.invoke(b"0,0,0,0").status == 200


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"features": 6}, "its number of feature columns is 6, here it is 4"),
        ({"features": 3}, "its number of feature columns is 3, here it is 4"),
        (
            {"objective": "binary:logistic"},
            "its objective is binary:logistic, here it is reg:squarederror",
        ),
        ({"booster": "dart"}, "its booster is dart, here it is gbtree"),
        ({"names": ["a", "b", "c", "d"]}, "its feature columns have names, and the data has none"),
    ],
    ids=["more columns", "less columns", "objective", "booster", "names"],
)
def test_checkpoint_of_another_job_is_refused_by_name(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path: Path,
    left: dict[str, Any],
    said: str,
) -> None:
    job = lay_out(tmp_path, 8, BOTH)
    leave_checkpoint(job, **left)
    end = run_train(docker_engine, image, job)
    assert end.exit_code == 1
    checkpoint = "/opt/ml/checkpoints/xgboost-checkpoint.4"
    assert end.reason == (
        f"UserError: {checkpoint} is a checkpoint of another job: {said}; empty the checkpoint "
        "folder (checkpoint_s3_uri), or give this job one of its own"
    )
    assert end.job.saved() == []
