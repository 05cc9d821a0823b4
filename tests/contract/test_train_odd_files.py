"""``train`` with FIFOs, devices, folders or links in place of files, and with full disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from containers import Train, bind, run_train
from job_folder import HYPERPARAMETERS, JobFolder

pytestmark = pytest.mark.timeout(120)

END_SECONDS = 60
WRONG = {**HYPERPARAMETERS, "eta": "2"}
REASON = "UserError: Hyperparameter eta: 2 is not in [0, 1]"
CONFIGURATION = ("hyperparameters", "inputdataconfig", "resourceconfig", "checkpointconfig")

ODD: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("name", CONFIGURATION)
@pytest.mark.parametrize("kind", ODD)
def test_configuration_file_that_is_not_a_file_is_a_user_error_with_its_name(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, kind: str, name: str
) -> None:
    job = JobFolder.lay_out(tmp_path)
    path = job.root / f"input/config/{name}.json"
    path.unlink(missing_ok=True)
    ODD[kind](path)
    end = run_train(docker_engine, image, job, timeout=END_SECONDS)
    assert end.exit_code == 1
    assert end.reason.startswith(f"UserError: /opt/ml/input/config/{name}.json can't be read"), (
        end.stderr
    )
    assert end.last_line == end.reason


@pytest.mark.parametrize(
    "make",
    [
        *ODD.values(),
        lambda path: path.symlink_to("/dev/full"),
        lambda path: path.symlink_to("/nowhere/x"),
        lambda path: path.write_text("UserError: of the run before"),
    ],
    ids=[*ODD, "a full device", "a link to nowhere", "of the run before"],
)
def test_object_in_place_of_the_failure_file_is_replaced(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path: Path,
    make: Callable[[Path], object],
) -> None:
    job = JobFolder.lay_out(tmp_path, WRONG)
    make(job.root / "output/failure")
    end = run_train(docker_engine, image, job, timeout=END_SECONDS)
    assert end.exit_code == 1
    assert end.reason == end.last_line
    assert end.reason.startswith(REASON)


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a full device"])
def test_mount_in_place_of_the_failure_file_leaves_the_reason_on_stderr(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, kind: str
) -> None:
    job = JobFolder.lay_out(tmp_path / "job", WRONG)
    place = tmp_path / "place"
    if kind == "a FIFO":
        os.mkfifo(place)
    elif kind == "a folder":
        place.mkdir()
    else:
        place = Path("/dev/full")
    mounts = [bind(place, "/opt/ml/output/failure")]
    end = run_train(docker_engine, image, job, mounts, timeout=END_SECONDS)
    assert end.exit_code == 1
    assert end.last_line.startswith(REASON)
    assert "/opt/ml/output/failure can't be written" in end.stderr


def test_failure_file_that_is_a_fifo_with_a_reader_is_written(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path / "job", WRONG)
    place = tmp_path / "place"
    os.mkfifo(place)
    with subprocess.Popen(["cat", place], stdout=subprocess.PIPE, text=True) as reader:
        mounts = [bind(place, "/opt/ml/output/failure")]
        end = run_train(docker_engine, image, job, mounts, timeout=END_SECONDS)
        told, _ = reader.communicate(timeout=10)
    assert end.exit_code == 1
    assert told.startswith(REASON)


@pytest.mark.parametrize("place", ["missing", "read-only", "another user's"])
def test_output_folder_that_can_not_be_written_leaves_the_reason_on_stderr(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, place: str
) -> None:
    job = JobFolder.lay_out(tmp_path, WRONG)
    options = {}
    if place == "missing":
        (job.root / "output/data").rmdir()
        (job.root / "output").rmdir()
    elif place == "read-only":
        options["mounts"] = [bind(job.root / "output", "/opt/ml/output", read_only=True)]
    else:
        job.open_to_all()
        (job.root / "output").chmod(0o755)
        options["user"] = "1234:1234"
    end = run_train(docker_engine, image, job, timeout=END_SECONDS, **options)
    assert end.exit_code == 1
    assert end.last_line.startswith(REASON)
    assert (place == "missing") == end.reason.startswith(REASON)


def test_full_disk_keeps_the_part_of_the_failure_file_that_fits(train: Train) -> None:
    # One page holds the reason and no traceback of this length.
    odd = {**HYPERPARAMETERS, "objective": "x" * 2500}
    end = train(odd, tmpfs={"/opt/ml/output": "size=4k"})
    assert end.exit_code == 1
    assert "can't be written" not in end.stderr


@pytest.mark.parametrize("letter", ["é", "列", "👩‍🔬", "\u202e", "\x1b[31m"])
def test_reason_is_valid_utf_8_of_1024_bytes_for_any_quoted_text(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, letter: str
) -> None:
    name = letter * 300 if letter.isprintable() else f"a{letter}b"
    job = JobFolder.lay_out(tmp_path, {**HYPERPARAMETERS, name: "1"})
    end = run_train(docker_engine, image, job)
    first = (job.root / "output/failure").read_bytes().partition(b"\n")[0]
    assert end.exit_code == 1
    assert len(first) <= 1024
    assert first.decode().startswith("UserError: Extraneous hyperparameter found: ")
    assert "\u202e" not in first.decode()
    assert "\x1b" not in first.decode()
