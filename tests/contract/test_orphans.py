"""Processes whose parent has ended: PID 1 adopts them and reaps them."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from containers import Train, serving
from script_jobs import hyperparameters
from serving_scripts import lay_out_code

pytestmark = pytest.mark.timeout(300)

# Each shell starts a process and ends before it.
LEAVE = """
import os, subprocess, sys, time

def leave(count):
    for _ in range(count):
        subprocess.run(["sh", "-c", "sleep 0.2 & exit 0"], check=True)
    time.sleep(1)

def zombies():
    states = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            states.append(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0])
        except OSError:
            pass
    return states.count("Z")
"""


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)]
)
def test_orphans_of_a_training_script_are_reaped_and_its_exit_code_is_kept(
    train: Train, end: str, code: int
) -> None:
    script = f"{LEAVE}\nleave(20)\nprint('zombies', zombies(), flush=True)\n{end}\n"
    ended = train(hyperparameters(), files={"code/train.py": script})
    assert (ended.exit_code, ended.stdout) == (code, "zombies 0\n"), ended.stderr


def test_orphans_of_a_serving_script_are_reaped(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    handlers = """
def model_fn(model_dir):
    leave(3)
    return 1
def transform_fn(model, input_data, content_type, accept):
    leave(20)
    return str(zombies())
"""
    lay_out_code(tmp_path, {"inference.py": LEAVE + handlers})
    with serving(docker_engine, image, tmp_path) as served:
        assert [served.invoke(b"x").body for _ in range(2)] == [b"0", b"0"]
