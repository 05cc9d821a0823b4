"""The interface of ``tabular.algorithms``: the image runs an algorithm from outside the package."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest
from containers import Trained, bind, run_train, serving
from job_folder import JobFolder, csv_text, table

ALGORITHM = Path(__file__).with_name("algorithms") / "centroids"
LONGEST = 100
# Adds a row to the table, as a fork of this image would, and runs the unchanged command.
COMMAND = """
import sys
from tabular.algorithms import ALGORITHMS, Algorithm
ALGORITHMS.insert(0, Algorithm("centroids", lambda name: name == "centroids"))
from tabular.commands.{command} import main
sys.exit(main())
"""
DATA = csv_text(table(rows=200, classes=2))


def own(command: str, **environment: str) -> dict[str, object]:
    return {
        "command": ["-c", COMMAND.format(command=command)],
        "entrypoint": "python",
        # The process that compiles needs the path too.
        "environment": {"PYTHONPATH": "/own", **environment},
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


def serve_natively(model: Path) -> None:
    """Edit the manifest as the error message of the manifest says."""
    path = model / "tabular" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    path.chmod(0o666)
    path.write_text(json.dumps({**manifest, "compiled": None}))


def test_algorithm_is_short() -> None:
    """The promise of CONTRIBUTING.md: under 100 lines of code."""
    lines = [
        line
        for path in ALGORITHM.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith(('"""', "#", "from ", "import "))
    ]
    assert len(lines) < LONGEST


def test_algorithm_trains_and_its_manifest_describes_the_model(ended: Trained) -> None:
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith("[0]\ttrain-accuracy:0.9")
    manifest = ended.job.manifest
    assert (manifest["algorithm"], manifest["classes"]) == ("centroids", [0, 1])


def test_compiled_model_agrees_with_the_native_model(ended: Trained) -> None:
    compiled = ended.job.manifest["compiled"]
    assert (compiled["served"], compiled["rows"]) == (True, 200), ended.stderr
    assert (ended.job.model / "tabular" / "compiled.onnx").exists()


@pytest.mark.parametrize("compiled", [True, False])
def test_algorithm_serves_with_selectable_keys(
    ended: Trained,
    docker_engine: docker.DockerClient,
    image: str,
    mounted: object,
    compiled: bool,
) -> None:
    if not compiled:
        serve_natively(ended.job.model)
    mounts = [mounted, bind(ended.job.model, "/opt/ml/model", read_only=True)]
    keys = "predicted_label,probabilities"
    options = own("serve", SAGEMAKER_INFERENCE_OUTPUT=keys)
    with serving(docker_engine, image, ended.job.model, mounts=mounts, **options) as served:
        answer = served.invoke("0.9,-0.9,0,0\n-0.9,0.9,0,0\n", accept="application/json")
    assert answer.status == 200, answer.body
    first, second = json.loads(answer.body)["predictions"]
    assert (first["predicted_label"], second["predicted_label"]) == (1, 0)
    assert sum(first["probabilities"]) == pytest.approx(1)


def test_error_of_the_algorithm_is_in_the_failure_file(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, mounted: object
) -> None:
    ended = run(docker_engine, image, tmp_path, mounted, depth="3")
    assert (ended.exit_code, ended.reason) == (
        1,
        "UserError: Extraneous hyperparameter found: depth. Mend the name or leave it out; the "
        "algorithm takes target",
    )
