"""Models of unknown origin: none of their code runs, and no model blocks a server."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import joblib
import numpy as np
import pytest
import xgboost
from containers import Ended, Served, bind, run, serving
from many_models import CSV, ROW
from onnx import TensorProto, helper
from predictions import BODY
from sklearn.calibration import _fit_classifier_calibrator_pair
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.timeout(300)

DRAW = np.random.default_rng(0)
ROWS = DRAW.normal(size=(40, 4)).astype(np.float32)
LABEL = (ROWS[:, 0] > 0).astype(int)


class Evil:
    """Touches a file in the model's folder when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /opt/ml/model/ran",)


class Reduced:
    """Reduces to a call of a function of scikit-learn with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def chain_of_the_cache(folder: Path) -> bytes:
    """Make a pickle that names only scikit-learn, and a cache that names os."""
    pipeline = Pipeline(
        [("a", StandardScaler()), ("b", LogisticRegression())], memory="/opt/ml/model/cache"
    )
    for place in ("a", "b"):
        entry = folder / "cache" / "joblib" / "sklearn" / "pipeline" / "_fit_transform_one" / place
        entry.mkdir(parents=True)
        joblib.dump(Evil(), entry / "output.pkl")
    half = np.arange(20)
    return pickle.dumps(
        Reduced(
            _fit_classifier_calibrator_pair,
            *(pipeline, ROWS.astype(float), LABEL, half, half + 20, "sigmoid", np.array([0, 1])),
        )
    )


def in_an_array() -> bytes:
    model = LogisticRegression().fit(ROWS, LABEL)
    model.coef_ = np.array([Evil()], dtype=object)
    return pickle.dumps(model)


PICKLES = {
    "the chain of the cache": chain_of_the_cache,
    "a shell command": lambda _: pickle.dumps(Evil()),
    "a shell command in an array": lambda _: in_an_array(),
    "a class that is called": lambda _: pickle.dumps(Reduced(LogisticRegression)),
}


def serve(engine: docker.DockerClient, image: str, folder: Path, **environment: str) -> Ended:
    return run(
        engine,
        image,
        "serve",
        mounts=[bind(folder, "/opt/ml/model")],
        environment=environment,
        timeout=200,
    )


@pytest.mark.parametrize("name", PICKLES)
def test_pickle_runs_nothing(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "model.joblib").write_bytes(PICKLES[name](tmp_path))
    end = serve(docker_engine, image, tmp_path)
    assert end.exit_code == 1
    assert end.last_line.startswith("UserError: /opt/ml/model/model.joblib is not an estimator")
    assert not (tmp_path / "ran").exists()


def endless(path: Path) -> Path:
    """An ONNX model that repeats a step while true is true."""
    value = helper.make_tensor_value_info("v", TensorProto.FLOAT, [None, 4])
    truth = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    step = helper.make_graph(
        [
            helper.make_node("Identity", ["c"], ["c2"]),
            helper.make_node("Identity", ["v"], ["v2"]),
        ],
        "step",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), truth, value],
        [
            helper.make_tensor_value_info("c2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.FLOAT, [None, 4]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=step)],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor("true", TensorProto.BOOL, [], [True])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def growing(path: Path) -> Path:
    """An ONNX model whose output has as many numbers as the largest value of the request."""
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("ReduceMax", ["x"], ["most"], keepdims=0),
            node("Cast", ["most"], ["whole"], to=TensorProto.INT64),
            node("Reshape", ["whole", "one"], ["shape"]),
            node("ConstantOfShape", ["shape"], ["zeros"]),
            node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
            node("Add", ["x", "zero"], ["y"]),
        ],
        "growing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def returning(path: Path) -> Path:
    """An XGBoost model whose first node is a child of itself."""
    booster = xgboost.train({"nthread": 1, "max_depth": 2}, xgboost.DMatrix(ROWS, LABEL), 2)
    content = json.loads(booster.save_raw("json"))
    content["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 1
    content["learner"]["gradient_booster"]["model"]["trees"][0]["right_children"][0] = 1
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("make", "name", "says"),
    [
        (endless, "model.onnx", "did not end within"),
        (returning, "xgboost-model", "the model is damaged: tree 0 has"),
    ],
)
def test_model_with_an_endless_loop_ends_serve_with_the_reason(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, make: Any, name: str, says: str
) -> None:
    make(tmp_path / name)
    begun = time.monotonic()
    end = serve(docker_engine, image, tmp_path)
    assert end.exit_code == 1
    assert end.last_line.startswith(f"UserError: /opt/ml/model/{name} ")
    assert says in end.last_line
    assert time.monotonic() - begun < 120


def test_request_that_needs_too_much_memory_is_503(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    growing(tmp_path / "model.onnx")
    with serving(docker_engine, image, tmp_path, mem_limit="512m") as server:
        answer = server.invoke(b"1e13,1,1,1")
        assert answer.status == 503
        assert b"not enough memory to answer this request" in answer.body
        assert b"0.5 GiB" in answer.body
        assert server.invoke(b"4,1,1,1").body == b"4.0,1.0,1.0,1.0\n"


def test_pipe_device_and_link_are_refused_as_models(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "model.joblib")
    (tmp_path / "tabular").mkdir()
    end = serve(docker_engine, image, tmp_path)
    assert (end.exit_code, "model.joblib is a FIFO, expected a file" in end.last_line) == (1, True)
    os.mkfifo(tmp_path / "tabular" / "manifest.json")
    end = serve(docker_engine, image, tmp_path)
    assert (end.exit_code, "expected a regular file" in end.last_line) == (1, True)
    (tmp_path / "tabular" / "manifest.json").unlink()
    (tmp_path / "model.joblib").unlink()
    (tmp_path / "xgboost-model").symlink_to("/etc/passwd")
    end = serve(docker_engine, image, tmp_path)
    assert (end.exit_code, "a link to /etc/passwd" in end.last_line) == (1, True)


def test_untrusted_models_setting_refuses_only_pickles(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    model = LogisticRegression().fit(ROWS, LABEL)
    joblib.dump(model, tmp_path / "model.joblib")
    end = serve(docker_engine, image, tmp_path, TABULAR_UNTRUSTED_MODELS="refuse")
    assert (end.exit_code, "TABULAR_UNTRUSTED_MODELS=refuse" in end.last_line) == (1, True)
    with serving(docker_engine, image, tmp_path) as server:
        assert server.invoke(b"1,0,0,0\n-1,0,0,0\n").body == b"1\n0\n"


def test_workers_can_not_start_programs_or_connect(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    with serving(docker_engine, image, regression) as server:
        worker = server.workers()[0]
        status = server.container.exec_run(["cat", f"/proc/{worker}/status"]).output.decode()
        assert "NoNewPrivs:\t1" in status
        assert server.invoke(BODY).status == 200
        # XGBoost itself and pyarrow are imported in the worker, for a large request.
        assert server.invoke(BODY.split(b"\n")[0] + b"\n" + (BODY + b"\n") * 1000).status == 200


@pytest.fixture
def several(docker_engine: docker.DockerClient, image: str, tmp_path: Path) -> Iterator[Served]:
    for number in range(8):
        (tmp_path / f"bad{number}").mkdir()
        endless(tmp_path / f"bad{number}" / "model.onnx")
    (tmp_path / "good").mkdir()
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(ROWS, LABEL), 2)
    booster.save_model(tmp_path / "good" / "model.ubj")
    with serving(
        docker_engine,
        image,
        tmp_path,
        environment={"SAGEMAKER_MULTI_MODEL": "true"},
        mounts=[bind(tmp_path, "/opt/ml/models", read_only=True)],
    ) as server:
        yield server


def load(server: Served, name: str) -> int:
    wanted = {"model_name": name, "url": f"/opt/ml/models/{name}"}
    connection = server.connect(timeout=200)
    connection.request("POST", "/models", json.dumps(wanted))
    return connection.getresponse().status


def test_endless_models_do_not_delay_the_loading_of_others(several: Served) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: statuses.append(load(several, f"bad{n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [503] * 8
    assert load(several, "good") == 200
    assert several.request("POST", "/models/good/invoke", ROW, CSV).status == 200
