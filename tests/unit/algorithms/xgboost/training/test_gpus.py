"""Several GPUs in one host: a process for each, one model, and one reason for a failure.

There is no GPU here: the processes are real, and train on the processor.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.hyperparameters import Settings, validate
from tabular.algorithms.xgboost.model import load_models
from tabular.algorithms.xgboost.training.cluster import Cluster
from tabular.algorithms.xgboost.training.gpus import (
    agreed_devices,
    devices_of,
    ports_of,
    with_device,
)
from tabular.contract.channels import Channel
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.hosts import Hosts
from tabular.contract.machine import Machine
from tabular.contract.worker import Worker, read_worker

from ....conftest import JobFolder
from .gpu_job import LONG, ROWS, Job

KILLED = "PlatformError: the process of GPU 1 (cpu) was killed by SIGKILL"
ROUNDS = "[0]", "[1]", "[2]", "[3]", "[4]"
Start = Callable[..., Job]


@pytest.fixture
def folder(job_folder: JobFolder) -> JobFolder:
    job_folder.data("train", ROWS)
    return job_folder


@pytest.fixture
def start(folder: JobFolder) -> Iterator[Start]:
    jobs: list[Job] = []

    def starter(gpus: int = 2, **hyperparameters: str) -> Job:
        given = {"num_round": "5", "max_depth": "3", "objective": "binary:logistic"}
        folder.config("hyperparameters.json", {**given, **hyperparameters})
        jobs.append(Job(folder, gpus))
        return jobs[-1]

    yield starter
    for job in jobs:
        job.end()


def scores(folder: JobFolder) -> np.ndarray:
    rows = np.array([line.split(",")[1:] for line in ROWS.split()], np.float32)
    boosters, _ = load_models(folder.root / "model")
    return boosters[0].predict(xgboost.DMatrix(rows))


def finish(job: Job) -> None:
    assert job.code() == 0, job.errors


# Whole jobs.


def test_three_processes_train_the_model_of_one_process(folder: JobFolder, start: Start) -> None:
    finish(start(0))
    alone = scores(folder)
    folder.model.unlink()
    job = start(3, device="cpu")
    finish(job)
    assert np.abs(scores(folder) - alone).max() <= 1e-6
    # One model, one manifest, one line for each round.
    assert sorted(path.name for path in (folder.root / "model").rglob("*") if path.is_file()) == [
        "compiled.onnx",
        "manifest.json",
        "xgboost-model",
    ]
    assert tuple(line.split()[-2] for line in job.lines) == ROUNDS
    assert not folder.failure.exists()
    # The manifest says what the customer gave.
    manifest = load_models(folder.root / "model")[1]
    assert manifest is not None
    given = {"num_round": 5, "max_depth": 3, "objective": "binary:logistic", "device": "cpu"}
    assert manifest.hyperparameters == given


def test_text_labels_are_the_same_classes_in_each_process(folder: JobFolder, start: Start) -> None:
    rows = [line.split(",", 1) for line in ROWS.split()]
    folder.data("train", "".join(f"{('no', 'yes')[int(y)]},{x}\n" for y, x in rows))
    finish(start(0))
    alone = scores(folder)
    folder.model.unlink()
    finish(start(3))
    assert np.abs(scores(folder) - alone).max() <= 1e-6
    manifest = load_models(folder.root / "model")[1]
    assert manifest is not None
    assert list(manifest.classes) == ["no", "yes"]


def test_error_in_the_data_is_reported_once(folder: JobFolder, start: Start) -> None:
    folder.data("train", ROWS + "7,1,2,3\n")
    job = start(3)
    assert job.code() == 1
    assert job.reason.startswith("UserError: ")
    assert "line 601 has label 7" in job.reason
    assert job.errors.count("has label 7") == 1
    assert job.errors.splitlines()[-1] == job.reason


def test_job_resumes_from_a_checkpoint(folder: JobFolder, start: Start) -> None:
    checkpoints = folder.root / "checkpoints"
    folder.config("checkpointconfig.json", {"LocalPath": str(checkpoints)})
    finish(start(2, num_round="2"))
    job = start(2)
    finish(job)
    assert tuple(line.split()[-2] for line in job.lines) == ROUNDS[2:]
    assert job.errors.count("resumed from checkpoint 1") == 1


# Stopped jobs.


def test_sigterm_ends_all_processes_without_a_model(folder: JobFolder, start: Start) -> None:
    job = start(2, **LONG)
    job.until_training()
    job.process.terminate()
    assert job.code() == 143
    assert job.reason.startswith("PlatformError: stopped by SIGTERM before training ended")
    assert job.errors.count("stopped by SIGTERM before") == 1
    assert not folder.model.exists()


def test_sigterm_saves_the_model_if_the_job_asks_for_it(folder: JobFolder, start: Start) -> None:
    job = start(2, **LONG, save_model_on_termination="true")
    job.until_training()
    job.process.terminate()
    finish(job)
    assert load_models(folder.root / "model")[0][0].num_boosted_rounds() == len(job.lines)
    assert not folder.failure.exists()


def test_sigterm_while_the_processes_start_is_not_lost(start: Start) -> None:
    job = start(2, **LONG)
    job.until_started(2)
    job.process.terminate()
    assert job.code() == 143, job.errors
    assert "stopped by SIGTERM" in job.reason
    assert job.errors.count("stopped by SIGTERM") == 1


def test_process_that_is_killed_is_named(folder: JobFolder, start: Start) -> None:
    job = start(2, **LONG)
    job.until_training()
    workers = job.workers()
    os.kill(workers[1], signal.SIGKILL)
    killed = time.monotonic()
    assert job.code() == 3
    assert time.monotonic() - killed < 20
    assert job.reason.startswith(KILLED)
    assert job.errors.splitlines()[-1] == job.reason
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers.values())
    assert not folder.model.exists()


# Checks before training.


def settings(device: str) -> Settings:
    return validate({"num_round": "1", "device": device})


@pytest.mark.parametrize(
    ("device", "gpus", "devices"),
    [
        ("cpu", 4, ()),
        ("cuda", 0, ()),
        ("cuda", 1, ()),
        ("cuda", 2, ("cuda:0", "cuda:1")),
        ("gpu", 2, ("cuda:0", "cuda:1")),
        ("cuda:1", 2, ()),
    ],
)
def test_only_several_gpus_get_a_process_each(
    device: str, gpus: int, devices: tuple[str, ...]
) -> None:
    assert devices_of(settings(device), Machine(8, gpus, 1 << 30)) == devices


def test_gpu_hist_uses_all_gpus() -> None:
    hyperparameters = validate({"num_round": "1", "tree_method": "gpu_hist"})
    assert len(devices_of(hyperparameters, Machine(8, 4, 1 << 30))) == 4


class Others(Cluster):
    """A cluster in which the other hosts send their numbers of GPUs."""

    def __init__(self, *counts: int) -> None:
        super().__init__(Hosts(names=tuple(f"algo-{number + 1}" for number in range(len(counts)))))
        self._counts = counts

    def allgather(self, value: object, what: str = "") -> list[object]:
        assert value == self._counts[0]
        return list(self._counts)


def test_hosts_with_different_numbers_of_gpus_are_refused() -> None:
    with pytest.raises(UserError, match=r"numbers of GPUs \(algo-1: 1, algo-2: 4\), expected the"):
        agreed_devices((), settings("cuda"), {}, Others(1, 4))


def test_hosts_with_equal_numbers_of_gpus_are_accepted() -> None:
    devices = ("cuda:0", "cuda:1")
    assert agreed_devices(devices, settings("cuda"), {}, Others(2, 2))


def test_job_without_gpus_does_not_ask_other_hosts() -> None:
    class Silent(Cluster):
        def allgather(self, value: object, what: str = "") -> list[object]:
            raise AssertionError(value)

    assert not agreed_devices((), settings("cpu"), {}, Silent(Hosts()))


def test_pipe_is_refused_for_several_gpus(tmp_path: Path) -> None:
    channel = Channel(name="train", path=tmp_path, content_type="text/csv", input_mode="Pipe")
    with pytest.raises(UserError, match="'train' has TrainingInputMode Pipe, which only one"):
        agreed_devices(("cuda:0", "cuda:1"), settings("cuda"), {"train": channel}, Cluster(Hosts()))


WORKER = Worker(local_rank=1, count=2, device="cuda:1", port=0, report_pipe=9)


def test_worker_has_its_device_and_only_the_first_logs_warnings() -> None:
    there = with_device(settings("cuda"), WORKER)
    assert (there.device, there.params["device"], there.params["verbosity"]) == (
        "cuda:1",
        "cuda:1",
        0,
    )


def test_worker_gets_its_share_of_processors_and_memory() -> None:
    assert WORKER.share_of(Machine(5, 2, 10)) == Machine(2, 2, 5)
    assert WORKER.share_of(Machine(1, 2, 10)).cpus == 1


def test_workers_of_one_host_meet_without_its_network() -> None:
    hosts = WORKER.expand_hosts(Hosts())
    assert (hosts.names, hosts.current) == (("algo-1.gpu0", "algo-1.gpu1"), "algo-1.gpu1")
    assert (hosts.network_interface, hosts.leader_address) == ("lo", "127.0.0.1")


def test_workers_of_several_hosts_connect_to_the_host_of_the_first_worker() -> None:
    # As text, the workers of "a-1" come before those of "a".
    hosts = WORKER.expand_hosts(Hosts(current="a", names=("a", "a-1")))
    assert hosts.names == ("a-1.gpu0", "a-1.gpu1", "a.gpu0", "a.gpu1")
    assert (hosts.leader_address, hosts.network_interface) == ("a-1", "eth0")


def test_ports_of_a_single_host_are_free_ports() -> None:
    assert ports_of(Worker(0, 2, "cuda:0", 4321, 9)) == (4321, 0)
    assert ports_of(WORKER) == ports_of(None) == (9099, 9100)


def test_worker_is_read_from_its_variables() -> None:
    assert read_worker(WORKER.variables) == WORKER
    assert read_worker({}) is None


@pytest.mark.parametrize("text", ["", "1/2", "[1]", '{"place": 1}'])
def test_variable_of_another_program_is_refused(text: str) -> None:
    with pytest.raises(PlatformError, match=r"TABULAR_WORKER is .*: remove it"):
        read_worker({"TABULAR_WORKER": text})
