"""A host that dies, is paused or disconnected: the other host ends soon and names the reason.

The process of one host stops forever at a step of the job; then its container is killed.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import AbstractContextManager
from pathlib import Path

import docker
import pytest
from containers import Trained, wait_until
from job_folder import JobFolder
from several_hosts import HYPERPARAMETERS, LONG, Cluster, cluster

pytestmark = pytest.mark.timeout(300)

PLATFORM_ERROR = 3
# A closed connection is detected at once; 15 s are for a host that SIGTERM may have ended.
END_SECONDS = 30
LEADER, WORKER = "algo-1", "algo-2"
# How long a host waits for a late or silent host; the shortest allowed silence.
TIMEOUT = {"cluster_timeout": "15"}

PAUSE_AT = """
import importlib, os, sys, threading
import tabular.algorithms.xgboost.lean_xgboost
from tabular.commands.train import main

def pause(*_, **__):
    print("paused at", step, file=sys.stderr, flush=True)
    threading.Event().wait()

step = os.environ.get("PAUSE_AT")
if step:
    module, _, name = step.partition(":")
    place = importlib.import_module(module)
    *outer, name = name.split(".")
    for part in outer:
        place = getattr(place, part)
    setattr(place, name, pause)
raise SystemExit(main())
"""
TRAINING = "tabular.algorithms.xgboost.training"
# Step, the function that stops at the step, and the host of the step if it is not the victim.
STEPS = {
    "reading": ("tabular.training.channel_reader:read_channel", None),
    "planning": (f"{TRAINING}.fitting:agreed_plan", None),
    "binning": (f"{TRAINING}.fitting:quantile_cuts", None),
    "boosting": (f"{TRAINING}.trainer:boost", None),
    "saving": (f"{TRAINING}.fitting:save_artifact", LEADER),
    "compiling": ("tabular.training.job:add_compiled", LEADER),
    "the end": (f"{TRAINING}.cluster.multi_host:MultiHostCluster.close", None),
}


def pausing(hosts: Cluster) -> None:
    hosts.command = ["python", "/opt/ml/pause_at.py"]


def laid_out(
    engine: docker.DockerClient, image: str, root: Path, count: int = 2, **hyperparameters: str
) -> AbstractContextManager[Cluster]:
    given = {**HYPERPARAMETERS, "num_round": "2", **hyperparameters}
    return cluster(engine, image, root, count, given, files={"pause_at.py": PAUSE_AT})


def require_whole(job: JobFolder) -> None:
    files = job.manifest["files"]
    assert "xgboost-model" in files
    for name, record in files.items():
        content = (job.model / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"], name


def require_reason(end: Trained, victim: str) -> None:
    assert end.exit_code == PLATFORM_ERROR, end.stderr
    assert end.reason.startswith("PlatformError: "), end.reason
    assert f"host {victim}" in end.reason, end.reason


@pytest.mark.parametrize("victim", [LEADER, WORKER])
@pytest.mark.parametrize("step", STEPS)
def test_death_of_a_host_at_a_step_ends_the_other_with_its_name(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, step: str, victim: str
) -> None:
    function, at = STEPS[step]
    paused = at or victim
    survivor = WORKER if victim == LEADER else LEADER
    with laid_out(docker_engine, image, tmp_path) as hosts:
        pausing(hosts)
        hosts.start(paused, PAUSE_AT=function)
        hosts.start(WORKER if paused == LEADER else LEADER)
        wait_until(lambda: "paused at" in hosts.log(paused), f"{paused} has come to {step}")
        if step == "compiling" and paused != victim:
            # The worker has nothing to do at this step: it may have ended.
            time.sleep(1)
        if not running(hosts, victim):
            assert hosts.ended(victim).exit_code == 0  # it had finished before it could be killed
            return
        hosts.containers[victim].kill()
        end = hosts.ended(survivor, END_SECONDS)
    if end.exit_code == 0:
        require_whole(hosts.jobs[LEADER])
    else:
        require_reason(end, victim)
    if step == "compiling":
        require_whole(hosts.jobs[LEADER])


def running(hosts: Cluster, host: str) -> bool:
    hosts.containers[host].reload()
    return bool(hosts.containers[host].status == "running")


@pytest.mark.parametrize("victim", [LEADER, WORKER])
def test_host_that_dies_before_the_rendezvous_is_named_after_cluster_timeout(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, victim: str
) -> None:
    survivor = WORKER if victim == LEADER else LEADER
    with laid_out(docker_engine, image, tmp_path, cluster_timeout="5") as hosts:
        pausing(hosts)
        hosts.start(victim, PAUSE_AT=f"{TRAINING}.job:rendezvous")
        wait_until(lambda: "paused at" in hosts.log(victim), "it is about to gather")
        hosts.containers[victim].kill()
        hosts.start(survivor)
        end = hosts.ended(survivor, END_SECONDS)
    require_reason(end, victim)
    assert "did not come within 5 s" in end.reason
    assert "cluster_timeout" in end.reason


@pytest.mark.parametrize("victim", [LEADER, WORKER])
def test_host_that_dies_in_the_rendezvous_of_three_ends_the_waiting_host(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, victim: str
) -> None:
    survivor = WORKER if victim == LEADER else LEADER
    with laid_out(docker_engine, image, tmp_path, 3) as hosts:
        hosts.start(LEADER, WORKER)
        wait_until(lambda: f"{WORKER} is there" in hosts.log(LEADER), "two hosts are there")
        hosts.containers[victim].kill()
        end = hosts.ended(survivor, END_SECONDS)
    require_reason(end, victim)
    # A waiting host logs the missing hosts, the time-out, and the setting of the time-out.
    assert "up to 3600 s, the hyperparameter cluster_timeout" in end.stderr


def test_host_that_starts_20_s_late_is_waited_for(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with laid_out(docker_engine, image, tmp_path) as hosts:
        hosts.start(LEADER)
        time.sleep(20)
        hosts.start(WORKER)
        ends = hosts.all_ended()
    assert {end.exit_code for end in ends.values()} == {0}
    require_whole(hosts.jobs[LEADER])


@pytest.mark.parametrize("victim", [LEADER, WORKER])
def test_only_a_pause_longer_than_the_timeout_is_a_failure(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, victim: str
) -> None:
    survivor = WORKER if victim == LEADER else LEADER
    with cluster(docker_engine, image, tmp_path, 2, {**LONG, **TIMEOUT}) as hosts:
        hosts.start()
        wait_until(lambda: "] [5]\t" in hosts.log(LEADER), "round 5 is done")
        container = hosts.containers[victim]
        container.pause()
        time.sleep(10)
        container.unpause()
        time.sleep(3)
        assert running(hosts, LEADER)
        assert running(hosts, WORKER)
        container.pause()
        began = time.monotonic()
        end = hosts.ended(survivor, END_SECONDS)
        seconds = time.monotonic() - began
        container.unpause()
        other = hosts.ended(victim, END_SECONDS)
    require_reason(end, victim)
    assert "has said nothing for" in end.reason
    assert 10 < seconds < END_SECONDS
    assert other.exit_code == PLATFORM_ERROR
    assert other.reason.startswith("PlatformError: ")


@pytest.mark.parametrize("victim", [LEADER, WORKER])
def test_host_that_is_disconnected_from_the_network_ends_the_job(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, victim: str
) -> None:
    with cluster(docker_engine, image, tmp_path, 2, {**LONG, **TIMEOUT}) as hosts:
        hosts.start()
        wait_until(lambda: "] [5]\t" in hosts.log(LEADER), "round 5 is done")
        hosts.network.disconnect(hosts.containers[victim])
        ends = hosts.all_ended(END_SECONDS)
    require_reason(ends[LEADER], WORKER)
    require_reason(ends[WORKER], LEADER)
