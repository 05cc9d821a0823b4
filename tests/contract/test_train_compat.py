"""A script written for AWS's XGBoost container, on two hosts through ``rabit_run``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker
import numpy as np
import pytest
from containers import Trained, run, wait_until
from several_hosts import TRAIN as ROWS
from several_hosts import VALIDATION, Cluster, cluster, scores, shards

pytestmark = pytest.mark.timeout(300)

SCRIPT = (Path(__file__).parent / "scripts" / "abalone.py").read_text()
CODE = "/opt/ml/code/abalone.py"
CHECKPOINTS = "/opt/ml/checkpoints"
KILLED = 128 + 9
# Every name that scripts are known to import, and a few names that name a replacement.
IMPORTS = """
from sagemaker_xgboost_container import checkpointing, data_utils, distributed, encoder
from sagemaker_containers import entry_point, training_env
from sagemaker_containers.beta.framework import (
    content_types, encoders, env, errors, files, functions, mapping, modules, params, transformer,
    worker)
from sagemaker_training import entry_point, environment, errors, params
from sagemaker_inference import (
    content_types, decoder, default_inference_handler, encoder, errors, utils)
environment.Environment(), training_env(), env.ServingEnv()
"""


@contextmanager
def script_on(
    engine: docker.DockerClient,
    image: str,
    root: Path,
    *arguments: str,
    hosts: int = 2,
    channels: Mapping[int, Mapping[str, Mapping[str, str]]] | None = None,
) -> Iterator[Cluster]:
    files = {"code/abalone.py": SCRIPT}
    with cluster(engine, image, root, hosts, channels=channels, files=files) as job:
        job.command = ["python", CODE, *arguments]
        job.environment = lambda host: {
            "SM_HOSTS": json.dumps(list(job.jobs)),
            "SM_CURRENT_HOST": host,
            "SM_NETWORK_INTERFACE_NAME": "eth0",
            "SM_MODEL_DIR": "/opt/ml/model",
            "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
            "SM_CHANNEL_VALIDATION": "/opt/ml/input/data/validation",
        }
        yield job


def trained(job: Cluster) -> dict[str, Trained]:
    ends = job.all_ended()
    assert {host: end.exit_code for host, end in ends.items()} == dict.fromkeys(ends, 0), "\n".join(
        f"{host}:\n{end.stdout}{end.stderr}" for host, end in ends.items()
    )
    return ends


def accuracy(model: Path) -> float:
    labels = np.array(VALIDATION)[:, 0]
    return float(((scores(model) > 0.5) == labels).mean())


def test_two_hosts_train_one_model_and_only_the_master_writes(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with script_on(docker_engine, image, tmp_path, "--checkpoint_dir", CHECKPOINTS) as job:
        job.start()
        ends = trained(job)
    first, second = ends["algo-1"], ends["algo-2"]
    assert accuracy(first.job.model) > 0.9
    assert not any(second.job.model.iterdir())
    said = re.compile(r"\[14\]\ttrain-logloss:0\.\d{5}\tvalidation-logloss:0\.\d{5}")
    assert said.search(first.stdout + first.stderr)
    assert not said.search(second.stdout + second.stderr)
    assert (first.job.root / "checkpoints/xgboost-checkpoint.14").exists()
    assert not list(second.job.root.glob("checkpoints/*"))


def test_two_hosts_with_all_rows_train_the_model_of_one_host(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with script_on(docker_engine, image, tmp_path / "two") as job:
        job.start()
        two = scores(trained(job)["algo-1"].job.model)
    everything = {"train": shards(ROWS, 1, 0), "validation": shards(VALIDATION, 1, 0)}
    alone = {0: everything}
    with script_on(docker_engine, image, tmp_path / "one", hosts=1, channels=alone) as job:
        job.start()
        one = scores(trained(job)["algo-1"].job.model)
    # The hosts sketch the bins of their own rows and merge them.
    assert np.corrcoef(one, two)[0, 1] > 0.98


def test_host_without_data_does_not_train_and_ends_with_0(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    nothing: dict[str, dict[str, str]] = {"train": {}, "validation": {}}
    with script_on(docker_engine, image, tmp_path, channels={0: nothing}) as job:
        job.start()
        ends = trained(job)
    assert "Host algo-1 not being used for distributed training." in ends["algo-1"].stderr
    assert not any(ends["algo-1"].job.model.iterdir())
    assert "saved by algo-2" in ends["algo-2"].stderr
    assert (ends["algo-2"].job.model / "xgboost-model").exists()


def test_error_if_no_host_has_data(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    nothing: dict[str, dict[str, str]] = {"train": {}, "validation": {}}
    with script_on(docker_engine, image, tmp_path, channels={0: nothing, 1: nothing}) as job:
        job.start()
        ends = job.all_ended()
    for end in ends.values():
        assert end.exit_code == 1
        assert "No hosts received training data." in end.last_line


@pytest.mark.parametrize("late", ["algo-1", "algo-2"])
def test_late_host_is_waited_for(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, late: str
) -> None:
    with script_on(docker_engine, image, tmp_path) as job:
        job.start(*set(job.jobs) - {late})
        time.sleep(10)
        job.start(late)
        trained(job)


@pytest.mark.parametrize("victim", ["algo-1", "algo-2"])
def test_killed_host_ends_the_other_with_its_name(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, victim: str
) -> None:
    (other,) = {"algo-1", "algo-2"} - {victim}
    with script_on(docker_engine, image, tmp_path, "--num_round", "100000") as job:
        job.start()
        wait_until(lambda: "[30]\ttrain" in job.log("algo-1"), "round 30 is done")
        job.containers[victim].kill()
        assert job.ended(victim).exit_code == KILLED
        end = job.ended(other, timeout=60)
    assert end.exit_code == 3
    assert end.reason.startswith(f"PlatformError: host {victim} ")
    assert "ended without a word" in end.reason
    assert end.last_line == end.reason


@pytest.mark.parametrize("failing", ["algo-1", "algo-2"])
def test_failure_of_one_host_is_reported_by_the_other(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, failing: str
) -> None:
    (other,) = {"algo-1", "algo-2"} - {failing}
    with script_on(docker_engine, image, tmp_path, "--fails-on", failing) as job:
        job.start()
        ends = job.all_ended(timeout=60)
    assert ends[failing].exit_code != 0
    assert "Unknown objective function: `no:such`" in ends[failing].stderr
    assert ends[other].reason.startswith(f"PlatformError: host {failing} failed: XGBoostError")
    assert ends[other].reason.endswith(f"the log of {failing} has the traceback)")


def test_stopped_training_resumes_from_the_checkpoint(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with script_on(docker_engine, image, tmp_path, "--checkpoint_dir", CHECKPOINTS) as job:
        job.command = [*job.command, "--num_round", "6"]
        job.start()
        trained(job)
        job.command = [*job.command[:-1], "9"]
        job.start()
        end = trained(job)["algo-1"]
    rounds = [int(n) for n in re.findall(r"\[(\d+)\]\ttrain-", end.stdout + end.stderr)]
    assert rounds == [6, 7, 8]


def test_every_name_is_importable_in_a_read_only_image(
    docker_engine: docker.DockerClient, image: str
) -> None:
    command = ["python", "-W", "error::DeprecationWarning", "-c", IMPORTS]
    end = run(docker_engine, image, command, read_only=True)
    assert (end.exit_code, end.stderr) == (0, "")


def test_names_are_compiled_in_the_image(docker_engine: docker.DockerClient, image: str) -> None:
    code = (
        "import importlib.util, sagemaker_xgboost_container.encoder as module\n"
        "from pathlib import Path\n"
        "print(Path(importlib.util.cache_from_source(module.__file__)).exists())"
    )
    assert run(docker_engine, image, ["python", "-c", code]).stdout == "True\n"
