"""The seam of ``tabular.algorithms``: an algorithm from outside the package, in the image."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest
from containers import Trained, bind, run_train, serving
from job_folder import JobFolder, csv_text, table

ALGORITHM = Path(__file__).with_name("algorithms") / "centroids"
LONGEST = 100
# What a fork of this image would write into the table, and then the command as it is.
COMMAND = """
import sys
sys.path.append("/own")
from tabular.algorithms import ALGORITHMS, Algorithm
ALGORITHMS.insert(0, Algorithm("centroids", lambda name: name == "centroids"))
from tabular.commands.{command} import main
sys.exit(main())
"""
DATA = csv_text(table(rows=200, classes=2))


def own(command: str) -> dict[str, object]:
    return {
        "command": ["-c", COMMAND.format(command=command)],
        "entrypoint": "python",
    }


@pytest.fixture
def mounted() -> object:
    return bind(ALGORITHM, "/own/centroids", read_only=True)


def run(
    engine: docker.DockerClient,
    image: str,
    folder: Path,
    mounted: object,
    **hyperparameters: str,
) -> Trained:
    job = JobFolder.lay_out(
        folder, {"algorithm": "centroids", **hyperparameters}, {"train": {"data.csv": DATA}}
    )
    return run_train(engine, image, job, [mounted], **own("train"))


@pytest.fixture
def ended(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, mounted: object
) -> Trained:
    return run(docker_engine, image, tmp_path, mounted)


def test_it_is_short() -> None:
    """The promise of CONTRIBUTING.md: under 100 lines of code."""
    lines = [
        line
        for path in ALGORITHM.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith(('"""', "#", "from ", "import "))
    ]
    assert len(lines) < LONGEST


def test_it_trains_and_its_artifact_is_described(ended: Trained) -> None:
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith("[0]\ttrain-accuracy:0.9")
    manifest = json.loads((ended.job.model / "tabular" / "manifest.json").read_text())
    assert (manifest["algorithm"], manifest["classes"]) == ("centroids", [0, 1])


def test_it_serves_with_selectable_keys(
    ended: Trained, docker_engine: docker.DockerClient, image: str, mounted: object
) -> None:
    mounts = [mounted, bind(ended.job.model, "/opt/ml/model", read_only=True)]
    environment = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,probabilities"}
    options = {"mounts": mounts, "environment": environment, **own("serve")}
    with serving(docker_engine, image, ended.job.model, **options) as served:
        answer = served.invoke("0.9,-0.9,0,0\n-0.9,0.9,0,0\n", accept="application/json")
    assert answer.status == 200, answer.body
    first, second = json.loads(answer.body)["predictions"]
    assert (first["predicted_label"], second["predicted_label"]) == (1, 0)
    assert sum(first["probabilities"]) == pytest.approx(1)


def test_its_refusal_reaches_the_failure_file(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, mounted: object
) -> None:
    ended = run(docker_engine, image, tmp_path, mounted, depth="3")
    assert (ended.exit_code, ended.reason) == (
        1,
        "UserError: Extraneous hyperparameter found: depth; centroids takes target",
    )
