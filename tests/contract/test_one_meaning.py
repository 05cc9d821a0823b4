"""A cell means the same in all formats, however the model is served and trained.

Hypothesis draws the rows; ``tests/unit/data/test_one_meaning.py`` draws the columns too.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from channel_files import channels_of
from containers import Served, Train, Trained, bind, run_train, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_folder import JobFolder
from several_hosts import cluster

pytestmark = pytest.mark.timeout(300)

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
PARQUET = "application/x-parquet"
HEADER = channels_of("text/csv; header=present", "train")
XGBOOST = {
    "num_round": "8",
    "objective": "reg:squarederror",
    "enable_categorical": "true",
    "target": "y",
}
FOREST = {"algorithm": "sklearn.ensemble.RandomForestRegressor", "n_estimators": "8", "target": "y"}
NAMES = ("age", "price", "flag", "city", "when")
FIRST = datetime(2024, 1, 1)
SCRIPT = "import logging\n"  # no handlers: the default ones serve


@dataclass(frozen=True)
class Row:
    """The cells of a row as text, and as JSON and Parquet have them; None is missing."""

    age: float | None
    price: float | None
    flag: bool | None
    city: str | None
    when: datetime | None

    @property
    def values(self) -> tuple[Any, ...]:
        return (self.age, self.price, self.flag, self.city, self.when)

    @property
    def texts(self) -> list[str]:
        when = "" if self.when is None else f"{self.when:%Y-%m-%dT%H:%M:%S}"
        price = "" if self.price is None else f"{self.price:,.2f}"
        return [
            *("?" if self.age is None else repr(self.age), price),
            *("" if self.flag is None else str(self.flag), self.city or "NA", when),
        ]

    @property
    def json(self) -> list[Any]:
        when = None if self.when is None else self.when.isoformat(" ")
        return [*self.values[:-1], when]


def row_of(draw: random.Random) -> Row:
    when = FIRST + timedelta(seconds=draw.randrange(2 * 365 * 86_400))
    return Row(
        draw.randint(18, 80),
        draw.randint(100_000, 999_999) / 100,
        draw.random() < 0.5,
        draw.choice(["Bonn", "Ulm", "Graz, West"]),
        when,
    )


def target(row: Row) -> float:
    age, price, flag, city, when = row.values
    hours = 30.0 * (when.hour < 8) + 5 * when.month + 40 * (when.weekday() > 4)
    return float(age + price / 100 + 20 * flag + 15 * (city == "Ulm") + hours)


DRAW = random.Random(3)
TABLE = [row_of(DRAW) for _ in range(300)]
TARGETS = [target(row) for row in TABLE]
# Texts that mean a missing value, in each column of which training must know them.
TABLE += [Row(None, 1234.5, None, None, None)] * 3
TARGETS += [50.0] * 3


def csv_of(rows: Sequence[Row], labels: Sequence[float] = (), header: bool = True) -> bytes:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    if header:
        writer.writerow([*["y"] * bool(labels), *NAMES])
    for at, row in enumerate(rows):
        writer.writerow([*[labels[at]] * bool(labels), *row.texts] if labels else row.texts)
    return target.getvalue().encode()


def parquet_of(rows: Sequence[Row], labels: Sequence[float] = (), texts: bool = False) -> bytes:
    cells = [row.texts if texts else row.values for row in rows]
    columns = dict(zip(NAMES, map(list, zip(*cells, strict=True)), strict=True))
    columns = {"y": list(labels), **columns} if labels else columns
    arrays = {name: pyarrow.array(found) for name, found in columns.items()}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), file)
    return file.getvalue()


def bodies(rows: Sequence[Row]) -> dict[str, tuple[str, bytes]]:
    named = [dict(zip(NAMES, row.json, strict=True)) for row in rows]
    return {
        "csv": (CSV, csv_of(rows, header=False)),
        "csv with a header": (CSV, csv_of(rows)),
        "json": (JSON, json.dumps([row.json for row in rows]).encode()),
        "json of texts": (JSON, json.dumps([row.texts for row in rows]).encode()),
        "json by name": (JSON, json.dumps({"instances": named}).encode()),
        "lines": (LINES, "\n".join(json.dumps(row.json) for row in rows).encode()),
        "parquet": (PARQUET, parquet_of(rows)),
        "parquet of texts": (PARQUET, parquet_of(rows, texts=True)),
    }


CELLS = {
    "age": st.none() | st.floats(-1e6, 1e6).map(lambda age: float(np.float32(age))),
    "price": st.none() | st.integers(-99_999_999, 99_999_999).map(lambda cents: cents / 100),
    "flag": st.none() | st.booleans(),
    "city": st.sampled_from([None, "Bonn", "Ulm", "Graz, West", "Wien", "ulm", '"x"']),
    "when": st.none()
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda when: when.replace(microsecond=0)
    ),
}
ROWS = st.lists(st.builds(Row, **CELLS), min_size=1, max_size=4)


def scores(answer: Any) -> list[float]:
    assert answer.status == 200, answer.body
    return [float(found) for found in re.findall(rb"-?[0-9.]+(?:e[-+]?[0-9]+)?", answer.body)]


def answers_of(server: Served, body: bytes, path: str = "/invocations") -> list[float]:
    return scores(server.request("POST", path, body, {"Content-Type": CSV, "Accept": CSV}))


@pytest.fixture(scope="module", params=[XGBOOST, FOREST], ids=["xgboost", "forest"])
def job(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Trained:
    content = csv_of(TABLE, TARGETS)
    folder = tmp_path_factory.mktemp("meaning")
    end = run_train(
        docker_engine,
        image,
        JobFolder.lay_out(folder, request.param, {"train": {"a.csv": content}}, HEADER),
    )
    assert end.exit_code == 0, end.stderr
    return end


@pytest.fixture(scope="module")
def endpoints(
    docker_engine: docker.DockerClient,
    image: str,
    job: Trained,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, tuple[Served, str]]]:
    """The model as an endpoint, in batch transform, among several models, and by a script."""
    model = job.job.model
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(model, folder / "several" / "one" / "model")
    scripted = shutil.copytree(model, folder / "scripted")
    (scripted / "code").mkdir()
    (scripted / "code" / "inference.py").write_text(SCRIPT)
    path = "/invocations"
    with ExitStack() as stack:

        def started(served: Path, **options: Any) -> Served:
            return stack.enter_context(serving(docker_engine, image, served, **options))

        several = started(
            model,
            environment={"SAGEMAKER_MULTI_MODEL": "true"},
            mounts=[bind(folder / "several", "/opt/ml/models", read_only=True)],
        )
        load = {"model_name": "one", "url": "/opt/ml/models/one/model"}
        assert several.request("POST", "/models", json.dumps(load).encode()).status == 200
        yield {
            "endpoint": (started(model), path),
            "batch": (started(model, environment={"SAGEMAKER_BATCH": "true"}), path),
            "several models": (several, "/models/one/invoke"),
            "script": (started(scripted, environment={"SAGEMAKER_PROGRAM": "inference.py"}), path),
        }


@given(rows=ROWS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_ways_of_serving_give_equal_answers(
    endpoints: Mapping[str, tuple[Served, str]], rows: list[Row]
) -> None:
    expected: list[float] | None = None
    for way, (server, path) in endpoints.items():
        for name, (content_type, body) in bodies(rows).items():
            headers = {"Content-Type": content_type, "Accept": CSV}
            found = scores(server.request("POST", path, body, headers))
            expected = expected or found
            assert len(found) == len(rows), (way, name)
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=f"{way}, {name}")


@pytest.mark.parametrize("job", [FOREST], ids=["forest"], indirect=True)
def test_saved_pipeline_gives_the_answers_of_the_endpoint(
    docker_engine: docker.DockerClient,
    image: str,
    job: Trained,
    endpoints: Mapping[str, tuple[Served, str]],
) -> None:
    import joblib
    import pandas

    pipeline = joblib.load(job.job.model / "model.joblib")  # without this package's code
    frame = pandas.DataFrame([row.values for row in TABLE], columns=list(NAMES))
    server, path = endpoints["endpoint"]
    expected = answers_of(server, csv_of(TABLE), path)
    frames = {
        "datetime": frame,
        "with a time zone": frame.assign(when=frame["when"].dt.tz_localize("UTC")),
        "nullable": frame.convert_dtypes(),
        "text": frame.assign(when=[row.texts[-1] or None for row in TABLE]),
        "category": frame.assign(city=frame["city"].astype("category")),
    }
    for name, given_frame in frames.items():
        found = pipeline.predict(given_frame)
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("given_job", [XGBOOST, FOREST], ids=["xgboost", "forest"])
def test_training_reads_the_same_from_each_format(
    train: Train, docker_engine: docker.DockerClient, image: str, given_job: dict[str, str]
) -> None:
    half = len(TABLE) // 2
    parts = {"a": slice(half), "b": slice(half, None)}
    files: dict[str, tuple[str, dict[str, bytes]]] = {
        "csv": ("text/csv; header=present", {"a.csv": csv_of(TABLE, TARGETS)}),
        "csv in two files": (
            "text/csv; header=present",
            {f"{name}.csv": csv_of(TABLE[at], TARGETS[at]) for name, at in parts.items()},
        ),
        "parquet": (PARQUET, {"a.parquet": parquet_of(TABLE, TARGETS)}),
        "parquet of texts": (PARQUET, {"a.parquet": parquet_of(TABLE, TARGETS, texts=True)}),
    }
    body = json.dumps([row.json for row in TABLE]).encode()
    answers = {}
    for name, (content_type, given_files) in files.items():
        end = train(given_job, {"train": given_files}, channels_of(content_type, "train"))
        assert end.exit_code == 0, f"{name}: {end.stderr}"
        with serving(docker_engine, image, end.job.model) as server:
            headers = {"Content-Type": JSON, "Accept": CSV}
            answers[name] = scores(server.request("POST", "/invocations", body, headers))
    for name, found in answers.items():
        np.testing.assert_allclose(found, answers["csv"], rtol=1e-6, err_msg=name)


def test_several_hosts_read_the_same(
    train: Train, docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    half, body = len(TABLE) // 2, csv_of(TABLE, header=False)
    shares = {
        host: {"train": {f"{host}.csv": csv_of(TABLE[at], TARGETS[at]).decode()}}
        for host, at in enumerate((slice(half), slice(half, None)))
    }
    alone = train(XGBOOST, {"train": {"a.csv": csv_of(TABLE, TARGETS)}}, HEADER)
    with cluster(docker_engine, image, tmp_path, 2, XGBOOST, shares) as hosts:
        hosts.start()
        ends = hosts.all_ended(120)
    assert {end.exit_code for end in ends.values()} == {0}, ends["algo-1"].stderr
    found = []
    for model in (alone.job.model, ends["algo-1"].job.model):
        with serving(docker_engine, image, model) as server:
            found.append(answers_of(server, body))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    assert alone.job.manifest["schema"] == ends["algo-1"].job.manifest["schema"]
