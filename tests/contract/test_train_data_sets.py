"""Real and generated data sets: trained by ``docker run image train``, served with equal scores."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import sagemaker.amazon.common as records
import xgboost
from containers import Trained, run_train, serving
from job_folder import CHANNEL, JobFolder, csv_text
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes, load_wine

pytestmark = pytest.mark.timeout(300)

DRAW = np.random.default_rng(11)


@dataclass(frozen=True)
class DataSet:
    """Rows to learn from, and what to learn."""

    features: np.ndarray
    label: np.ndarray
    hyperparameters: dict[str, str]
    better_than: tuple[str, float]
    qid: np.ndarray | None = None

    def parts(self) -> dict[str, slice]:
        """Four of five rows train, the last one validates; whole groups of 20."""
        cut = len(self.label) * 4 // 5 // 20 * 20
        return {"train": slice(0, cut), "validation": slice(cut, None)}


def shuffled(loaded: Any) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(5).permutation(len(loaded.target))
    return loaded.data[order].astype(np.float32), loaded.target[order].astype(np.float32)


def ranking() -> DataSet:
    features = DRAW.normal(size=(1000, 6)).astype(np.float32)
    worth = features[:, 0] + features[:, 1] * 0.5 + DRAW.normal(size=1000) * 0.3
    label = np.digitize(worth, [-0.5, 0.5, 1.5]).astype(np.float32)
    hyperparameters = {"objective": "rank:ndcg", "eval_metric": "ndcg@5"}
    qid = np.repeat(np.arange(50), 20)
    return DataSet(features, label, hyperparameters, ("validation-ndcg@5", 0.85), qid)


def survival(objective: str, metric: str, bound: float) -> DataSet:
    features = DRAW.normal(size=(1000, 6)).astype(np.float32)
    time = np.exp(features[:, 0] + 0.2 * DRAW.normal(size=1000)).astype(np.float32)
    censored = DRAW.random(1000) < 0.3
    label = np.where(censored, -time * 0.7, time).astype(np.float32)
    return DataSet(
        features, label, {"objective": objective, "eval_metric": metric}, (metric, bound)
    )


DATA_SETS: dict[str, Callable[[], DataSet]] = {
    "diabetes": lambda: DataSet(
        *shuffled(load_diabetes()),
        {"objective": "reg:squarederror", "eval_metric": "rmse,r2"},
        ("validation-r2", 0.2),
    ),
    "breast cancer": lambda: DataSet(
        *shuffled(load_breast_cancer()),
        {"objective": "binary:logistic", "eval_metric": "auc,accuracy,f1"},
        ("validation-accuracy", 0.9),
    ),
    "wine": lambda: DataSet(
        *shuffled(load_wine()),
        {"objective": "multi:softprob", "num_class": "3", "eval_metric": "accuracy,mlogloss"},
        ("validation-accuracy", 0.9),
    ),
    "ranking": ranking,
    "cox": lambda: survival("survival:cox", "cox-nloglik", 0),
    "aft": lambda: survival("survival:aft", "aft-nloglik", 0),
}


def as_csv(rows: np.ndarray, label: np.ndarray) -> bytes:
    return csv_text(np.column_stack([label, rows]).tolist()).encode()


def as_libsvm(rows: np.ndarray, label: np.ndarray, qid: np.ndarray | None = None) -> bytes:
    target = io.BytesIO()
    dump_svmlight_file(rows, label, target, zero_based=False, query_id=qid)
    return target.getvalue()


def as_parquet(rows: np.ndarray, label: np.ndarray) -> bytes:
    names = ["label", *(f"f{number}" for number in range(rows.shape[1]))]
    target = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table([label, *rows.T], names), target)
    return bytes(target.getvalue())


def as_recordio(rows: np.ndarray, label: np.ndarray) -> bytes:
    target = io.BytesIO()
    records.write_numpy_to_dense_tensor(target, rows, label)
    return target.getvalue()


FORMATS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "libsvm": ("text/x-libsvm", as_libsvm),
    "parquet": ("Application/X-Parquet", as_parquet),
    "recordio": ("application/x-recordio-protobuf", as_recordio),
}


def train(
    engine: docker.DockerClient, image: str, root: Path, data: DataSet, form: str, **more: str
) -> Trained:
    content_type, write = FORMATS[form]
    channels = {}
    for name, part in data.parts().items():
        given = [data.features[part], data.label[part]]
        if data.qid is not None:
            given.append(data.qid[part])
        channels[name] = {"a": write(*given)}
    config = {name: {**CHANNEL, "ContentType": content_type} for name in channels}
    hyperparameters = {"num_round": "30", "max_depth": "3", **data.hyperparameters, **more}
    job = JobFolder.lay_out(
        root, hyperparameters, channels, {"input/config/inputdataconfig.json": json.dumps(config)}
    )
    end = run_train(engine, image, job)
    assert end.exit_code == 0, end.stderr
    return end


def booster_of(model: Path) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray((model / "xgboost-model").read_bytes()))


def scores_here(model: Path, rows: np.ndarray) -> np.ndarray:
    return booster_of(model).predict(xgboost.DMatrix(rows), validate_features=False)


def served(engine: docker.DockerClient, image: str, model: Path, rows: np.ndarray) -> np.ndarray:
    body = csv_text(rows.tolist()).encode()
    with serving(engine, image, model) as server:
        answer = server.invoke(body)
    assert answer.status == 200, answer.body
    lines = answer.body.decode().splitlines()
    return np.array([[float(cell) for cell in line.split(",")] for line in lines]).squeeze()


@pytest.mark.parametrize("name", DATA_SETS)
def test_data_set_is_trained_and_served_with_equal_scores(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, name: str
) -> None:
    data = DATA_SETS[name]()
    form = "libsvm" if data.qid is not None else "csv"
    end = train(docker_engine, image, tmp_path, data, form)
    metric, bound = data.better_than
    if metric.startswith("validation-"):
        assert end.job.manifest["metrics"][metric] > bound
    rows = data.features[data.parts()["validation"]]
    answers = served(docker_engine, image, end.job.model, rows)
    assert answers == pytest.approx(scores_here(end.job.model, rows), abs=1e-6)


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "csv"])
def test_every_format_trains_the_model_of_csv(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, form: str
) -> None:
    data = DATA_SETS["diabetes"]()  # without zeros, which LIBSVM leaves out
    plain, other = (
        booster_of(train(docker_engine, image, tmp_path / kind, data, kind).job.model)
        for kind in ("csv", form)
    )
    other.feature_names = plain.feature_names = [f"f{i}" for i in range(10)]  # Parquet has names
    assert other.get_dump() == plain.get_dump()
