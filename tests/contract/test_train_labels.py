"""``train`` and ``serve`` with text labels for XGBoost, on one host and on two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import pytest
from channel_files import as_csv, as_parquet, job, model_of, run_all, trees_of
from containers import Train, Trained, serving
from job_folder import HYPERPARAMETERS
from several_hosts import HYPERPARAMETERS as OF_HOSTS
from several_hosts import TRAIN, VALIDATION, cluster, shards

pytestmark = pytest.mark.timeout(300)

NAMES = ["no", "yes"]
COLORS = ["blue", "green", "red"]
BINARY = {**HYPERPARAMETERS, "objective": "binary:logistic"}
SOFTMAX = {**HYPERPARAMETERS, "objective": "multi:softmax", "num_class": "3"}
KEYS = "predicted_label,labels,probability"


def rows(labels: list[Any], count: int = 90) -> list[list[Any]]:
    return [[labels[row % len(labels)], row % len(labels), row * 7 % 13] for row in range(count)]


def classes(end: Trained) -> list[str]:
    found: list[str] = end.job.manifest["classes"]
    return found


@pytest.mark.parametrize(
    ("content_type", "write"), [("text/csv", as_csv), ("application/x-parquet", as_parquet)]
)
def test_binary_labels_come_back_where_they_are_asked_for(
    docker_engine: docker.DockerClient, image: str, train: Train, content_type: str, write: Any
) -> None:
    named, coded = run_all(
        train,
        job(content_type, write(rows(NAMES)), write(rows(NAMES, 20)), BINARY),
        job(content_type, write(rows([0, 1])), write(rows([0, 1], 20)), BINARY),
    )
    assert trees_of(model_of(named)) == trees_of(model_of(coded))
    assert (classes(named), classes(coded)) == (NAMES, [])
    body = b"0,1\n1,1"
    with serving(docker_engine, image, coded.job.model) as there:
        plain = there.invoke(body, Accept="text/csv").body
    with serving(docker_engine, image, named.job.model) as there:
        assert there.invoke(body, Accept="text/csv").body == plain
    chosen = {"SAGEMAKER_INFERENCE_OUTPUT": KEYS}
    with serving(docker_engine, image, named.job.model, environment=chosen) as there:
        answer = json.loads(there.invoke(body, Accept="application/json").body)
    found = [row["predicted_label"] for row in answer["predictions"]]
    assert found == NAMES
    assert answer["predictions"][0]["labels"] == NAMES


def test_softmax_answers_the_text_of_the_class(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    (end,) = run_all(train, job("text/csv", as_csv(rows(COLORS)), None, SOFTMAX))
    assert classes(end) == COLORS
    with serving(docker_engine, image, end.job.model) as there:
        assert there.invoke(b"0,1\n1,1\n2,1", Accept="text/csv").body == b"blue\ngreen\nred\n"
        answer = json.loads(there.invoke(b"2,1", Accept="application/json").body)
    assert answer == {"predictions": [{"predicted_label": "red"}]}


def test_label_that_only_validation_has_ends_the_job(train: Train) -> None:
    both = as_csv(rows(NAMES)), as_csv(rows(["yes", "maybe"]))
    (end,) = run_all(train, job("text/csv", *both, BINARY))
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: channel 'validation' has the label maybe")


def test_two_hosts_agree_on_the_classes(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    def parts(texts: dict[float, str]) -> dict[int, dict[str, dict[str, str]]]:
        tables: Any = [
            [[texts.get(row[0], row[0]), *row[1:]] for row in table]
            for table in (TRAIN, VALIDATION)
        ]
        return {
            host: {
                name: shards(table, 2, host)
                for name, table in zip(("train", "validation"), tables, strict=True)
            }
            for host in range(2)
        }

    ends = []
    for number, texts in enumerate(({}, {0.0: "01", 1.0: "02"}, {0.0: "no", 1.0: "yes"})):
        folder = tmp_path / str(number)
        made = parts(texts)
        with cluster(docker_engine, image, folder, 2, OF_HOSTS, channels=made) as hosts:
            hosts.start()
            ended = hosts.all_ended()
        assert {end.exit_code for end in ended.values()} == {0}, ended["algo-1"].stderr
        ends.append(ended["algo-1"])
    assert [classes(end) for end in ends] == [[], ["01", "02"], ["no", "yes"]]
    assert trees_of(model_of(ends[0])) == trees_of(model_of(ends[1])) == trees_of(model_of(ends[2]))


def test_two_hosts_of_which_one_has_numbers_alone_read_again(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    first = {"train": {"a": as_csv(rows(["1"], 40)).decode()}}
    second = {"train": {"b": as_csv(rows(["A", "1"], 40)).decode()}}
    channels: Any = {0: first, 1: second}
    with cluster(docker_engine, image, tmp_path, 2, OF_HOSTS, channels=channels) as hosts:
        hosts.start()
        ends = hosts.all_ended()
    assert {end.exit_code for end in ends.values()} == {0}, ends["algo-1"].stderr
    assert classes(ends["algo-1"]) == ["1", "A"]
