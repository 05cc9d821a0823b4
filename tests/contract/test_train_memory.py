"""Data larger than the container's memory: the chosen kind of matrix, and equal models."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from containers import Trained, bind, ended, run_train, started, wait_until
from docker.models.containers import Container
from job_folder import CHANNEL, JobFolder
from scipy.sparse import random as random_sparse
from sklearn.datasets import dump_svmlight_file

pytestmark = pytest.mark.timeout(600)

HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "eval_metric": "auc",
    "num_round": "3",
    "max_depth": "3",
    # XGBoost's sketch of a column grows with them: half a MiB for 16, 4 MiB for 256.
    "max_bin": "16",
}
IN_MEMORY = "QuantileDMatrix from rows in memory"
STREAMED = "QuantileDMatrix from rows streamed from disk"
ON_DISK = "ExtMemQuantileDMatrix on disk"
# MiB; the data of most tests is 73 MiB as float32, and 32 when binned.
MUCH, SOME, LITTLE = 512, 256, 192
PARTS = 10

Rows = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Data:
    """One file; a channel has as many copies of it as the size of the channel requires."""

    content_type: str
    suffix: str
    write: Callable[[Path, Any, np.ndarray], None]
    draw: Callable[[], Rows]
    hyperparameters: dict[str, str]
    parts: int = PARTS


def rows(count: int, columns: int, missing: float = 0, classes: int = 2) -> Rows:
    draw = np.random.default_rng(7)
    features = draw.normal(size=(count, columns)).round(1).astype(np.float32)
    score = features[:, 0] + features[:, 1] * features[:, 2] + draw.normal(size=count) / 4
    label = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    features[draw.random(features.shape) < missing] = np.nan
    return features, label


def sparse_rows() -> Rows:
    features = random_sparse(30_000, 200, 0.1, "csr", np.float32, random_state=7)
    return features, (np.asarray(features[:, :9].sum(axis=1)).ravel() > 0.4).astype(int)


def tabled(features: np.ndarray, *leading: np.ndarray) -> pyarrow.Table:
    columns = [*leading, *features.T]
    arrays = [pyarrow.array(column, from_pandas=True) for column in columns]
    return pyarrow.table(arrays, [f"f{number}" for number in range(len(columns))])


def write_csv(path: Path, features: np.ndarray, label: np.ndarray) -> None:
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(tabled(features, label), path, options)


def write_weighted_csv(path: Path, features: np.ndarray, label: np.ndarray) -> None:
    weight = np.random.default_rng(8).uniform(0.5, 2, len(label)).round(2)
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(tabled(features, label, weight), path, options)


def write_parquet(path: Path, features: np.ndarray, label: np.ndarray) -> None:
    pyarrow.parquet.write_table(tabled(features, label), path)


def write_plain_parquet(path: Path, features: np.ndarray, label: np.ndarray) -> None:
    """Write files as large as the values are in memory."""
    table = tabled(features, label)
    pyarrow.parquet.write_table(table, path, compression="none", use_dictionary=False)


def write_libsvm(path: Path, features: Any, label: np.ndarray) -> None:
    dump_svmlight_file(features, label, str(path), zero_based=False)


FIVE = {
    "objective": "multi:softprob",
    "num_class": "5",
    "eval_metric": "mlogloss",
    "csv_weights": "1",
}
PLAIN = Data("text/csv", "csv", write_csv, lambda: rows(15_000, 128), {})
SHAPES = {
    "plain": PLAIN,
    "wide-missing": Data("text/csv", "csv", write_csv, lambda: rows(3_000, 500, 0.2), {}),
    "sparse": Data("text/libsvm", "libsvm", write_libsvm, sparse_rows, {}),
    "parquet": Data(
        "application/x-parquet", "parquet", write_parquet, lambda: rows(15_000, 128), {}
    ),
    "classes-weights": Data(
        "text/csv", "csv", write_weighted_csv, lambda: rows(15_000, 128, classes=5), FIVE
    ),
    "approx": Data(
        "text/csv", "csv", write_csv, lambda: rows(15_000, 128), {"tree_method": "approx"}
    ),
}


@dataclass(frozen=True)
class Runs:
    """Lays jobs out on one kind of data, and runs them under limits."""

    engine: docker.DockerClient
    image: str
    folder: Path

    def lay_out(self, name: str, data: Data, **more: str) -> JobFolder:
        file = self.folder / f"{name}.{data.suffix}"
        if not file.exists():
            data.write(file, *data.draw())
        channel = {**CHANNEL, "ContentType": data.content_type}
        names = ("train", "validation")
        job = JobFolder.lay_out(
            self.folder / f"job-{sum(1 for _ in self.folder.iterdir())}",
            {**HYPERPARAMETERS, **data.hyperparameters, **more},
            {name: {} for name in names},
            {"input/config/inputdataconfig.json": json.dumps(dict.fromkeys(names, channel))},
        )
        for channel_name, parts in (("train", data.parts), ("validation", 1)):
            for part in range(parts):
                os.link(file, job.root / "input/data" / channel_name / f"{part:03d}.{data.suffix}")
        return job

    def train(self, job: JobFolder, limit: int | None, **options: Any) -> Trained:
        return run_train(self.engine, self.image, job, timeout=500, **limited(limit), **options)

    def __call__(self, name: str, limit: int | None, **options: Any) -> Trained:
        return self.train(self.lay_out(name, SHAPES[name]), limit, **options)


def limited(limit: int | None) -> dict[str, str]:
    # The limit of memory and swap equals the limit of memory, so there is no swap.
    return {} if limit is None else {"mem_limit": f"{limit}m", "memswap_limit": f"{limit}m"}


@pytest.fixture(scope="module")
def runs(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Runs:
    return Runs(docker_engine, image, tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Callable[[str], Trained]:
    """The jobs without a limit, by the shape of the data."""
    return cache(lambda name: runs(name, None))


def assert_same_model(limited: Trained, whole: Trained) -> None:
    assert (limited.exit_code, whole.exit_code) == (0, 0), limited.stderr + whole.stderr
    models = [(end.job.model / "xgboost-model").read_bytes() for end in (limited, whole)]
    assert models[0] == models[1]
    assert limited.stdout == whole.stdout  # the metric lines


@pytest.mark.parametrize(
    ("limit", "kind"), [(MUCH, IN_MEMORY), (SOME, STREAMED), (LITTLE, ON_DISK)]
)
def test_kind_of_matrix_follows_the_memory_limit_and_is_logged_with_the_reason(
    runs: Runs, whole: Callable[[str], Trained], limit: int, kind: str
) -> None:
    end = runs("plain", limit)
    assert_same_model(end, whole("plain"))
    said = next(line for line in end.stderr.splitlines() if "DMatrix" in line)
    assert f" {kind}: binning takes about" in said
    assert said.endswith(f" MiB of {limit} MiB")


@pytest.mark.parametrize(
    ("name", "limit", "kind"),
    [
        ("wide-missing", 224, ON_DISK),
        ("sparse", LITTLE, ON_DISK),
        ("parquet", LITTLE, ON_DISK),
        ("classes-weights", LITTLE, ON_DISK),
    ],
)
def test_model_from_disk_equals_the_model_from_memory(
    runs: Runs, whole: Callable[[str], Trained], name: str, limit: int, kind: str
) -> None:
    end = runs(name, limit)
    assert_same_model(end, whole(name))
    assert f" {kind}: " in end.stderr


def test_approx_trains_from_disk_too(runs: Runs, whole: Callable[[str], Trained]) -> None:
    ends = runs("approx", LITTLE), whole("approx")
    assert " DMatrix on disk: " in ends[0].stderr
    # approx bins again in each round, and its sketch depends on the pages.
    here, there = ([float(value) for value in end.job.manifest["metrics"].values()] for end in ends)
    assert here == pytest.approx(there, abs=0.05)


def test_exact_training_that_does_not_fit_is_refused(runs: Runs) -> None:
    job = runs.lay_out("plain", PLAIN, tree_method="exact")
    end = runs.train(job, SOME)
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: tree_method=exact needs the values themselves: about ")
    assert "use tree_method=hist" in end.reason


def test_rows_whose_gradients_do_not_fit_into_memory_are_refused(runs: Runs) -> None:
    def write(path: Path, features: np.ndarray, label: np.ndarray) -> None:
        path.write_bytes(b"0,1\n1,2\n" * 2_800_000)

    job = runs.lay_out("narrow", Data("text/csv", "csv", write, lambda: rows(10, 3), {}, parts=1))
    end = runs.train(job, SOME)
    assert end.exit_code == 1
    assert "000.csv: with this file the channel has more than 5," in end.reason
    assert "rows, whose labels, gradients and predictions fill the container's memory" in end.reason


def test_memory_file_system_is_not_used_if_there_is_a_disk(
    runs: Runs, whole: Callable[[str], Trained]
) -> None:
    # With rows and bins in /tmp the container would be killed: they count as its memory.
    end = runs("plain", LITTLE, tmpfs={"/tmp": ""})
    assert_same_model(end, whole("plain"))


def test_scratch_files_are_removed(runs: Runs) -> None:
    end = runs("plain", LITTLE, tmpfs={"/tmp": ""})  # they were in output
    assert end.exit_code == 0, end.stderr
    assert [path.name for path in (end.job.root / "output").iterdir()] == ["data"]


@pytest.mark.parametrize("size", ["20m", "100m"])  # too small for rows; for their bins
def test_full_disk_is_reported_with_the_remedy(runs: Runs, size: str) -> None:
    small = {folder: f"size={size}" for folder in ("/tmp", "/opt/ml/output", "/opt/ml/model")}
    end = runs("plain", LITTLE, tmpfs=small)
    assert end.exit_code == 3, end.stderr
    assert end.last_line.startswith("PlatformError: ")
    assert "/tmp" in end.last_line
    assert "give the job a larger volume (volume_size)" in end.last_line


def test_job_after_sigkill_ignores_the_files_left_behind(
    runs: Runs, whole: Callable[[str], Trained]
) -> None:
    job = runs.lay_out("plain", PLAIN, num_round="10000")
    options = {"mounts": [bind(job.root)], "tmpfs": {"/tmp": ""}, "network_mode": "none"}
    with started(runs.engine, runs.image, "train", **limited(LITTLE), **options) as container:
        wait_until(lambda: ended_or_trains(container), "a round is done", 300)
        container.kill()
        ended(container)
    hyperparameters = job.root / "input/config/hyperparameters.json"
    hyperparameters.write_text(json.dumps(HYPERPARAMETERS))
    assert_same_model(runs.train(job, LITTLE, tmpfs={"/tmp": ""}), whole("plain"))


def ended_or_trains(container: Container) -> bool:
    container.reload()
    assert container.status == "running", container.logs().decode()
    return b"[0]\t" in container.logs(stderr=False)


@pytest.mark.long
def test_data_four_times_the_memory_trains_to_the_end(runs: Runs) -> None:
    limit, parts = LITTLE, 64
    data = Data(
        "application/x-parquet",
        "parquet",
        write_plain_parquet,
        lambda: rows(12_500, 256),
        {"num_round": "2"},
        parts,
    )
    made = runs.lay_out("large", data)
    files = sum(path.stat().st_size for path in (made.root / "input/data/train").iterdir())
    assert min(files, parts * 12_500 * 256 * 4) > 4 * (limit << 20) * 0.99
    end = runs.train(made, limit)
    assert end.exit_code == 0, end.stderr
    assert end.job.manifest["rounds"] == 2
    assert ON_DISK in end.stderr
