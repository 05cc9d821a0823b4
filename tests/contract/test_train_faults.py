"""Faults while a job saves: kills, full disks, disks that fail, little memory, SIGTERM.

A sample of the places of each fault runs by default. ``TABULAR_FAULTS=all`` takes every place, and
runs for about 20 minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import docker
import numpy as np
import pytest
from containers import Ended, bind, ended, run, run_train, started, wait_until
from job_folder import JobFolder, csv_text, table

ALL = os.environ.get("TABULAR_FAULTS") == "all"
HERE = Path(__file__).parent
PYTHON = "/opt/venv/bin/python"
# The old artifact is that of the same job with this setting.
OLD = {"max_depth": "1"}
CONFIG = {"input/config/checkpointconfig.json": json.dumps({"LocalPath": "/opt/ml/checkpoints"})}
JOBS: dict[str, tuple[dict[str, str], int, dict[str, str]]] = {
    "model": ({"num_round": "4", "max_depth": "3"}, 0, {}),
    "folds": ({"num_round": "3", "_kfold": "2"}, 0, {}),
    "checkpoints": ({"num_round": "3", "checkpoint_interval": "1"}, 0, CONFIG),
    "estimator": ({"algorithm": "sklearn.tree.DecisionTreeClassifier", "max_depth": "4"}, 2, {}),
}
# In the sample, every STEP-th change of a file fails; each fault starts at another change.
STEP = {"model": 16, "folds": 30, "checkpoints": 26, "estimator": 25}
KINDS = ("kill", "ENOSPC", "EIO")
SAMPLE = [
    *(("model", kind) for kind in KINDS),
    ("folds", "kill"),
    ("checkpoints", "kill"),
    ("checkpoints", "ENOSPC"),
    ("estimator", "kill"),
]


@pytest.fixture(scope="module")
def faulty_disk(
    tmp_path_factory: pytest.TempPathFactory, leave_out: Callable[[str], NoReturn]
) -> Path:
    """The library that makes a change of files fail, compiled."""
    library = tmp_path_factory.mktemp("faults") / "faulty_disk.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "faulty_disk.c", "-ldl"]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        leave_out("no C compiler (Debian: apt-get install gcc libc6-dev)")
    return library


def lay_out(root: Path, name: str, **more: str) -> JobFolder:
    hyperparameters, classes, files = JOBS[name]
    data = {"train": {"a.csv": csv_text(table(classes=classes))}}
    return JobFolder.lay_out(root, {**hyperparameters, **more}, data, files)


@pytest.mark.long
@pytest.mark.timeout(3600 if ALL else 300)
@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in JOBS for kind in KINDS] if ALL else SAMPLE
)
def test_artifact_is_completely_old_or_completely_new(
    docker_engine: docker.DockerClient,
    image: str,
    faulty_disk: Path,
    tmp_path: Path,
    name: str,
    kind: str,
) -> None:
    end = run_train(docker_engine, image, lay_out(tmp_path, name, **OLD))
    assert end.exit_code == 0, end.stderr
    job = lay_out(tmp_path, name)
    every, first = (1, 1) if ALL else (STEP[name], 2 + 3 * KINDS.index(kind))
    loop = [PYTHON, "-P", "/faults/fault_loop.py", kind, str(first), str(every)]
    mounts = [
        bind(job.root),
        bind(HERE / "fault_loop.py", "/faults/fault_loop.py", read_only=True),
        bind(faulty_disk, "/faults/faulty_disk.so", read_only=True),
    ]
    found = run(docker_engine, image, None, 3600, entrypoint=loop, mounts=mounts)
    wrong = [line for line in found.stdout.splitlines() if '"fault": ""' not in line]
    assert found.exit_code == 0, "\n".join([*wrong, found.stderr])
    assert found.stdout.count('"fault": ""') >= 2


MEMORY = (64, 96, 128, 160, 192, 224, 256, 384)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("limit", MEMORY if ALL else MEMORY[::3])
@pytest.mark.parametrize("name", ["model", "estimator"])
def test_little_memory_leaves_no_broken_artifact(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, name: str, limit: int
) -> None:
    job = lay_out(tmp_path, name)
    end = run_train(
        docker_engine, image, job, mem_limit=f"{limit}m", memswap_limit=f"{limit}m", timeout=300
    )
    assert end.exit_code in (0, 3, 137), end.stderr
    if end.exit_code == 3:
        assert "memory" in end.reason
    if end.exit_code == 0:
        assert_loads(docker_engine, image, job)


def assert_loads(engine: docker.DockerClient, image: str, job: JobFolder) -> None:
    """Load the artifact as ``serve`` does, and predict a row."""
    code = (
        "from pathlib import Path; import numpy as np; "
        "from tabular.serving.loading import load_predictor; "
        "found = load_predictor(Path('/opt/ml/model')); "
        "print(found.predict(np.zeros((1, found.columns.count), np.float32)))"
    )
    end = run(engine, image, None, entrypoint=[PYTHON, "-P", "-c", code], mounts=[bind(job.root)])
    assert end.exit_code == 0, end.stderr


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], JobFolder]:
    """Write a job whose compiling takes many times the memory and the disk space of its model."""
    folder = tmp_path_factory.mktemp("forest")
    draw = np.random.default_rng(0)
    features = draw.normal(size=(20_000, 10)).round(3)
    label = features[:, 0] + features[:, 1] * features[:, 2] + draw.normal(size=20_000) > 0
    text = csv_text(np.column_stack([label.astype(int), features]).tolist())
    hyperparameters = {"algorithm": "sklearn.ensemble.RandomForestClassifier", "n_estimators": "60"}

    def lay_out(name: str) -> JobFolder:
        return JobFolder.lay_out(folder / name, hyperparameters, {"train": {"a.csv": text}})

    return lay_out


def warning_of(end: Ended) -> str:
    """The one line of the log that is a warning."""
    (line,) = [line for line in end.stderr.splitlines() if " WARNING " in line]
    return line


@pytest.mark.timeout(300)
def test_model_is_saved_if_compiling_is_out_of_memory(
    docker_engine: docker.DockerClient, image: str, forest: Callable[[str], JobFolder]
) -> None:
    job = forest("memory")
    end = run_train(docker_engine, image, job, mem_limit="420m", memswap_limit="420m", timeout=280)
    assert end.exit_code == 0, end.stderr
    assert "not compiled: compiling failed: out of memory (" in warning_of(end)
    assert job.saved() == ["model.joblib", "tabular/manifest.json"]
    assert job.manifest["compiled"]["reason"].startswith("compiling failed: out of memory (")
    assert_loads(docker_engine, image, job)


@pytest.mark.timeout(300)
def test_model_is_saved_if_the_disk_has_no_space_for_compiling(
    docker_engine: docker.DockerClient, image: str, forest: Callable[[str], JobFolder]
) -> None:
    job = forest("disk")
    script = "train && ls -R /opt/ml/model && cat /opt/ml/model/tabular/manifest.json"
    end = run(
        docker_engine,
        image,
        None,
        timeout=280,
        entrypoint=["sh", "-c", script],
        mounts=[bind(job.root)],
        tmpfs={"/opt/ml/model": "size=27m"},
    )
    assert end.exit_code == 0, end.stderr
    said = "/opt/ml/model/tabular/compiled.onnx can't be written (No space left on device)"
    assert said in warning_of(end)
    assert said in end.stdout
    assert "partial" not in end.stdout
    assert ".onnx\n" not in end.stdout


@pytest.mark.timeout(300)
def test_model_is_saved_if_sigterm_comes_during_compiling(
    docker_engine: docker.DockerClient, image: str, forest: Callable[[str], JobFolder]
) -> None:
    job = forest("sigterm")
    mounts: Any = [bind(job.root)]
    with started(docker_engine, image, "train", network_mode="none", mounts=mounts) as container:
        wait_until(lambda: b"saved model" in container.logs(), "the model is saved", 120)
        time.sleep(2)
        container.stop(timeout=120)
        end = ended(container)
    assert end.exit_code == 0, end.stderr
    assert job.failure is None
    assert_loads(docker_engine, image, job)
