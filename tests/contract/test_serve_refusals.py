"""``serve`` with a broken model or a wrong setting ends with one clear line."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
from containers import Ended, bind, run

pytestmark = pytest.mark.timeout(300)

MODEL = "/opt/ml/model/xgboost-model"
MANIFEST = "/opt/ml/model/tabular/manifest.json"
SECONDS = 15  # for `serve` to end; 1 is usual


@dataclass(frozen=True)
class Broken:
    """A reason not to start.

    Attributes
    ----------
    says
        A pattern of the last line of stderr.
    files
        Files that replace those of a valid artifact; None removes the file. ``HALF`` is the first
        half of the model.
    """

    says: str
    files: dict[str, bytes | None] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


HALF = b"the first half of the model"
BARE: dict[str, bytes | None] = {"tabular/manifest.json": None}
LATER = json.dumps({"format_version": 99}).encode()


def variable(name: str, value: str, says: str = "expected a whole number above 0") -> Broken:
    return Broken(f"{name} is '{re.escape(value)}', {says}", environment={name: value})


NOT_A_MODEL = f"{MODEL} is not a model that XGBoost .* can load: .*expected UBJSON or JSON"
BROKEN = {
    "no model": Broken(
        f"no model: {MODEL} does not exist .*holds tabular.*train first",
        {**BARE, "xgboost-model": None},
    ),
    "model of another name": Broken(
        "model.pkl is not an estimator that scikit-learn .* can load .*model_fn",
        {**BARE, "xgboost-model": None, "model.pkl": b"x"},
    ),
    "archive that was not unpacked": Broken(
        "no file in /opt/ml/model is one .*holds model.tar.gz.*unpack",
        {**BARE, "xgboost-model": None, "model.tar.gz": b"x"},
    ),
    "truncated model with a manifest": Broken(
        f"{MODEL} has .* bytes, its manifest says .*truncated.*unpack model.tar.gz again",
        {"xgboost-model": HALF},
    ),
    "truncated model without a manifest": Broken(NOT_A_MODEL, {**BARE, "xgboost-model": HALF}),
    "empty model": Broken(NOT_A_MODEL, {**BARE, "xgboost-model": b""}),
    "garbage": Broken(NOT_A_MODEL, {**BARE, "xgboost-model": b"garbage" * 100}),
    "JSON that is no model": Broken(NOT_A_MODEL, {**BARE, "xgboost-model": b'{"a": 1}'}),
    "pickled model": Broken(
        NOT_A_MODEL, {**BARE, "xgboost-model": pickle.dumps({"model": list(range(100))})}
    ),
    "changed model": Broken(
        f"{MODEL}.*manifest.*(again|SHA-256)", {"xgboost-model": b"another model"}
    ),
    "manifest without its model": Broken(
        f"{MODEL} can't be read .* though its manifest names it", {"xgboost-model": None}
    ),
    "manifest that is no JSON": Broken(
        f"{MANIFEST} can't be read .*unpack model.tar.gz again", {"tabular/manifest.json": b"{"}
    ),
    "manifest of a later image": Broken(
        f"{MANIFEST} has format_version 99, .*newer", {"tabular/manifest.json": LATER}
    ),
    "port that is no number": variable("SAGEMAKER_BIND_TO_PORT", "http"),
    "no workers": variable("SAGEMAKER_MODEL_SERVER_WORKERS", "0"),
    "negative timeout": variable("SAGEMAKER_MODEL_SERVER_TIMEOUT", "-1"),
    "limit with a unit": variable("MAX_CONTENT_LENGTH", "6MB"),
    "fractional payload": variable("SAGEMAKER_MAX_PAYLOAD_IN_MB", "1.5"),
    "port out of range": Broken(
        "SAGEMAKER_BIND_TO_PORT is '99999'", environment={"SAGEMAKER_BIND_TO_PORT": "99999"}
    ),
    "accept that is not offered": Broken(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT .*text/csv",
        environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "image/png"},
    ),
}


@dataclass(frozen=True)
class Refused:
    broken: Broken
    end: Ended


@pytest.fixture(scope="module", params=BROKEN)
def refused(
    request: pytest.FixtureRequest,
    docker_engine: docker.DockerClient,
    image: str,
    regression: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Refused:
    broken = BROKEN[request.param]
    folder = tmp_path_factory.mktemp("broken") / "model"
    shutil.copytree(regression, folder)
    model = (folder / "xgboost-model").read_bytes()
    for name, content in broken.files.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(model[: len(model) // 2] if content is HALF else content)
    if not any((folder / "tabular").iterdir()):
        (folder / "tabular").rmdir()
    end = run(
        docker_engine,
        image,
        "serve",
        mounts=[bind(folder, "/opt/ml/model", read_only=True)],
        environment=broken.environment,
        timeout=SECONDS,
    )
    return Refused(broken, end)


def test_serve_ends_with_the_exit_code_of_a_user_error(refused: Refused) -> None:
    assert refused.end.exit_code == 1


def test_last_line_names_mistake_and_remedy(refused: Refused) -> None:
    assert refused.end.last_line.startswith("UserError: ")
    assert re.search(refused.broken.says, refused.end.last_line), refused.end.last_line


def test_nothing_listens_before_the_model_is_loaded(refused: Refused) -> None:
    assert "Listening" not in refused.end.stderr


def test_no_traceback_is_printed(refused: Refused) -> None:
    assert "Traceback" not in refused.end.stderr
