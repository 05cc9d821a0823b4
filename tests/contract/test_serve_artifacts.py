"""``serve``: compiled models, and models of other programs."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import joblib
import numpy as np
import pytest
import xgboost
from containers import Served, Train, run, serving
from job_folder import HYPERPARAMETERS, TRAIN, table
from predictions import BODY, ROWS
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.timeout(300)

Serve = Callable[..., Any]
TABLE = np.array(table(), np.float32)
FEATURES, LABEL = TABLE[:, 1:], TABLE[:, 0]
CLASSES = (LABEL > 0).astype(int)


def answers(body: bytes) -> list[Any]:
    return [json.loads(f"[{line.decode()}]") for line in body.split(b"\n") if line]


def flat(body: bytes) -> Any:
    return np.array(answers(body)).squeeze(1)


def mapped(served: Served) -> str:
    """The files that a worker has in its memory."""
    worker = served.workers()[0]
    found: bytes = served.container.exec_run(["cat", f"/proc/{worker}/maps"]).output
    return found.decode()


def logged(served: Served) -> str:
    written: bytes = served.container.logs()
    return written.decode()


def as_matrix(model: Path) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(bytearray((model / "xgboost-model").read_bytes()))
    return booster


def test_training_writes_the_parity_of_the_compiled_model(regression: Path) -> None:
    manifest = json.loads((regression / "tabular" / "manifest.json").read_text())
    parity = manifest["compiled"]
    assert "tabular/compiled.onnx" in manifest["files"]
    assert parity["served"]
    assert parity["largest_difference"] <= parity["tolerance"] == 1e-5
    assert parity["rows"] > 60


def test_compiled_model_is_served_without_the_libraries_of_training(
    docker_engine: docker.DockerClient, image: str, binary: Path
) -> None:
    options = {"environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
    with serving(docker_engine, image, binary, **options) as served:
        assert served.invoke(BODY).status == 200
        assert "serving by ONNX Runtime" in logged(served)
        there = mapped(served)
        assert "onnxruntime" in there
        for library in ("xgboost", "sklearn", "scipy", "pandas", "pyarrow", "libarrow"):
            assert f"/{library}" not in there


def test_compiled_model_explains_as_xgboost(
    docker_engine: docker.DockerClient, image: str, binary: Path
) -> None:
    options = {"environment": {"SAGEMAKER_INFERENCE_OUTPUT": "probability,contributions,leaf"}}
    booster, matrix = as_matrix(binary), xgboost.DMatrix(ROWS)
    with serving(docker_engine, image, binary, **options) as served:
        body = served.invoke(BODY, Accept="application/json").body
    found = json.loads(body)["predictions"]
    np.testing.assert_allclose([row["probability"] for row in found], booster.predict(matrix), 1e-5)
    contributions = booster.predict(matrix, pred_contribs=True)
    np.testing.assert_allclose([row["contributions"] for row in found], contributions, 1e-5)
    leaves = booster.predict(matrix, pred_leaf=True)
    np.testing.assert_array_equal([row["leaf"] for row in found], leaves)


def test_large_request_gets_the_scores_of_small_requests(
    docker_engine: docker.DockerClient, image: str, binary: Path
) -> None:
    rows = [features for _, *features in table(rows=3000, seed=5)]
    lines = [",".join(map(str, row)).encode() for row in rows]
    with serving(docker_engine, image, binary) as served:
        whole = flat(served.invoke(b"\n".join(lines)).body)
        parts = [served.invoke(b"\n".join(lines[at : at + 500])).body for at in range(0, 3000, 500)]
        np.testing.assert_allclose(whole, np.concatenate([flat(p) for p in parts]), rtol=1e-5)


def test_reason_for_no_compiled_model_is_in_log_and_manifest(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "booster": "gblinear"})
    assert end.exit_code == 0, end.stderr
    assert "served by XGBoost, not compiled: gblinear has no trees" in end.stderr
    assert end.job.manifest["compiled"]["reason"] == "gblinear has no trees"
    assert "tabular/compiled.onnx" not in end.job.saved()


def test_folds_are_served_compiled_with_their_mean(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    end = train({**HYPERPARAMETERS, "_kfold": "3"}, {"train": {"data.csv": TRAIN}})
    assert end.exit_code == 0, end.stderr
    assert [name for name in end.job.saved() if name.endswith(".onnx")] == [
        f"tabular/compiled-{number}.onnx" for number in range(3)
    ]
    members = []
    for number in range(3):
        content = (end.job.model / f"xgboost-model-{number}").read_bytes()
        members.append(xgboost.Booster(model_file=bytearray(content)))
    each = np.stack([member.predict(xgboost.DMatrix(ROWS)) for member in members])
    with serving(docker_engine, image, end.job.model) as served:
        assert "3 models" in logged(served)
        np.testing.assert_allclose(flat(served.invoke(BODY).body), each.mean(0), rtol=1e-5)
    first = {"environment": {"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}}
    with serving(docker_engine, image, end.job.model, **first) as served:
        np.testing.assert_allclose(flat(served.invoke(BODY).body), each[0], rtol=1e-5)


def booster() -> xgboost.Booster:
    return xgboost.train({"max_depth": 3}, xgboost.DMatrix(FEATURES, LABEL), 5)


def of_aws(folder: Path) -> Any:
    booster().save_model(folder / "model.ubj")
    (folder / "model.ubj").rename(folder / "xgboost-model")


def as_json(folder: Path) -> Any:
    booster().save_model(folder / "churn.json")
    (folder / "features.json").write_text('["a", "b"]')


def pickled(folder: Path) -> Any:
    (folder / "xgboost-model").write_bytes(pickle.dumps(booster()))


def pickled_estimator(folder: Path) -> Any:
    model = xgboost.XGBRegressor(max_depth=3, n_estimators=5, learning_rate=0.3)
    (folder / "model.pkl").write_bytes(pickle.dumps(model.fit(FEATURES, LABEL)))


def several(folder: Path) -> Any:
    for number in range(2):
        (folder / f"xgboost-model-{number}").write_bytes(bytes(booster().save_raw("ubj")))


def with_code(folder: Path) -> Any:
    of_aws(folder)
    (folder / "code").mkdir()
    (folder / "code" / "requirements.txt").write_text("")
    (folder / "README").write_text("no model")


@pytest.mark.parametrize("write", [of_aws, as_json, pickled, pickled_estimator, several, with_code])
def test_booster_of_another_program_is_served(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, write: Callable[[Path], Any]
) -> None:
    write(tmp_path)
    expected = booster().predict(xgboost.DMatrix(ROWS))
    with serving(docker_engine, image, tmp_path) as served:
        np.testing.assert_allclose(flat(served.invoke(BODY).body), expected, rtol=1e-5)
        assert "serving by XGBoost" in logged(served)


@pytest.mark.parametrize("name", ["model.joblib", "model.skops", "pipeline.pkl"])
def test_estimator_of_scikit_learn_is_served(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, name: str
) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, CLASSES)
    if name.endswith("skops"):
        skops = pytest.importorskip("skops.io")
        skops.dump(model, tmp_path / name)
    else:
        joblib.dump(model, tmp_path / name)
    with serving(docker_engine, image, tmp_path) as served:
        assert flat(served.invoke(BODY).body).tolist() == model.predict(ROWS).tolist()


def test_model_of_onnx_is_served(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, regression: Path
) -> None:
    # The compiled model of training is a valid model.onnx, which predicts margins.
    shutil.copy(regression / "tabular" / "compiled.onnx", tmp_path / "model.onnx")
    expected = as_matrix(regression).predict(xgboost.DMatrix(ROWS))
    with serving(docker_engine, image, tmp_path) as served:
        np.testing.assert_allclose(flat(served.invoke(BODY).body), expected, rtol=1e-5)


REFUSED = {
    "nothing": (None, b"", "no model"),
    "an empty model": ("xgboost-model", b"", "is not a model"),
    "text": ("xgboost-model", b"hello", "is not a model"),
    "an old binary": ("xgboost-model", b"binf" + bytes(200), "pip install xgboost==1.7.6"),
    "a call of os.system": ("model.pkl", b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
    "a broken skops": ("model.skops", b"PK\x03\x04", "is not an estimator"),
    "a broken onnx": ("model.onnx", b"hello", "is not a model that ONNX Runtime"),
    "a bomb": ("model.pkl", b"\x80\x04]r\xff\xff\xff\xf0.", "model.pkl"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_file_that_is_not_a_model_ends_serve_with_a_reason(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, case: str
) -> None:
    name, content, reason = REFUSED[case]
    if name:
        (tmp_path / name).write_bytes(content)
    mount = docker.types.Mount("/opt/ml/model", str(tmp_path), type="bind", read_only=True)
    end = run(docker_engine, image, "serve", mounts=[mount], mem_limit="2g")
    assert end.exit_code == 1
    assert "UserError" in end.stderr
    assert reason in end.stderr
    assert "Traceback" not in end.stderr.rpartition("UserError")[2]


def test_onnxruntime_starts_no_thread_and_no_connection(
    docker_engine: docker.DockerClient, image: str
) -> None:
    # Later versions of ONNX Runtime start a thread that sends telemetry.
    code = (
        "import os, onnxruntime, numpy, onnx; from onnx import helper as h, TensorProto as t\n"
        "x, y = (h.make_tensor_value_info(n, t.FLOAT, [None, 1]) for n in 'xy')\n"
        "g = h.make_graph([h.make_node('Neg', ['x'], ['y'])], 'g', [x], [y])\n"
        "m = h.make_model(g, opset_imports=[h.make_opsetid('', 17)], ir_version=8)\n"
        "from tabular.algorithms.onnx_session import open_session\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "open_session(m.SerializeToString()).run(None, {'x': numpy.ones((9, 1), 'f4')})\n"
        "print(before, len(os.listdir('/proc/self/task')))\n"
        "print([l for l in open('/proc/self/net/tcp')][1:])\n"
    )
    options = {"entrypoint": ["python3"], "environment": {"OMP_NUM_THREADS": "1"}}
    end = run(docker_engine, image, ["-c", code], **{**options, "network_mode": "bridge"})
    assert end.exit_code == 0, end.stderr
    assert end.stdout.split("\n")[:2] == ["1 1", "[]"]


def test_classes_of_text_are_answered_as_text(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    model = LogisticRegression().fit(FEATURES, np.where(CLASSES, "yes", "no"))
    joblib.dump(model, tmp_path / "model.joblib")
    with serving(docker_engine, image, tmp_path) as served:
        body = served.invoke(BODY).body.decode().split()
    assert body == model.predict(ROWS).tolist()
