"""Columns with names that XGBoost refuses: trained, resumed, and served by their real names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import docker
import pytest
import xgboost
from channel_files import as_parquet, channels_of, job
from containers import Train, Trained, run_train, serving
from job_folder import HYPERPARAMETERS, JobFolder, table

pytestmark = pytest.mark.timeout(240)

NAMES = ("age_(0, 10]", "price[EUR]", "age<18", "price(EUR)")
ROWS = table()
CONSTRAINED = {
    **HYPERPARAMETERS,
    "target": "y",
    "monotone_constraints": '{"price[EUR]": 1}',
    "interaction_constraints": '[["age_(0, 10]", "price[EUR]"], ["age<18", "price(EUR)"]]',
    "feature_types": "q,q,float,q",
}
CHECKPOINTS = {"LocalPath": "/opt/ml/checkpoints", "S3Uri": "s3://bucket/checkpoints"}
PARQUET = "application/x-parquet"
ALGORITHMS = (HYPERPARAMETERS, {"algorithm": "sklearn.linear_model.Ridge"})
HEADER = "text/csv; header=present"


def headed(names: Sequence[str], rows: list[list[float]] = ROWS) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([["y", *names], *rows])
    return target.getvalue().encode()


@pytest.fixture(scope="module")
def bracketed(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A model with checkpoints, trained to five rounds and resumed to eight."""
    before = Path()
    for rounds in ("5", "8"):
        folder = tmp_path_factory.mktemp("names")
        checkpoints = {"input/config/checkpointconfig.json": json.dumps(CHECKPOINTS)}
        given = JobFolder.lay_out(
            folder,
            {**CONSTRAINED, "num_round": rounds},
            {"train": {"a.csv": headed(NAMES)}, "validation": {"a.csv": headed(NAMES)}},
            {**channels_of(HEADER, "train", "validation"), **checkpoints},
        )
        if rounds == "8":
            (folder / "checkpoints").mkdir(exist_ok=True)
            for path in (before / "checkpoints").glob("xgboost-checkpoint*"):
                (folder / "checkpoints" / path.name).write_bytes(path.read_bytes())
        end = run_train(docker_engine, image, given)
        assert end.exit_code == 0, end.stderr
        before = folder
    return end


def test_resumed_job_knows_its_columns(bracketed: Trained) -> None:
    assert "resumed from checkpoint 4" in bracketed.stderr
    assert bracketed.job.manifest["feature_names"] == list(NAMES)


def test_xgboost_itself_loads_the_model_with_readable_names(bracketed: Trained) -> None:
    model = bytearray((bracketed.job.model / "xgboost-model").read_bytes())
    booster = xgboost.Booster(model_file=model)
    assert booster.feature_names == ["age_(0, 10)", "price(EUR)_2", "agelt 18", "price(EUR)"]


def test_requests_name_the_real_columns(
    docker_engine: docker.DockerClient, image: str, bracketed: Trained
) -> None:
    row = dict(zip(NAMES, ROWS[0][1:], strict=True))
    with serving(docker_engine, image, bracketed.job.model) as served:
        plain = served.invoke(",".join(map(str, row.values())).encode())
        document = json.dumps({"instances": [row]}).encode()
        by_key = served.invoke(document, Content_Type="application/json")
        turned = io.StringIO()
        csv.writer(turned).writerows([[*row][::-1], [*row.values()][::-1]])
        by_header = served.invoke(turned.getvalue().encode())
        lacking = json.dumps([{"age_(0, 10]": 1}]).encode()
        refused = served.invoke(lacking, Content_Type="application/json")
    assert plain.status == by_key.status == by_header.status == 200
    assert plain.body == by_key.body == by_header.body
    assert refused.status == 400
    assert b"price[EUR]" in refused.body


def test_unknown_column_of_a_constraint_is_named(train: Train) -> None:
    wrong = {**CONSTRAINED, "monotone_constraints": '{"price[USD]": 1}'}
    end = train(**job(HEADER, headed(NAMES), None, wrong))
    assert end.exit_code == 1
    assert "price[USD]" in end.reason
    assert "price[EUR]" in end.reason


ODD_NAMES = {
    "quotes and commas": ('a"b', "c,d", "e'f", "g;h"),
    "other scripts": ("größe", "年齢", "é" * 300, "\U0001f600"),
    "spaces and signs": ("a b", "c=d", "e:f", "#g"),
}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_odd_names_of_parquet_train_xgboost_and_an_estimator(train: Train, kind: str) -> None:
    names = ("y", *ODD_NAMES[kind])
    for settings in ALGORITHMS:
        end = train(**job(PARQUET, as_parquet(ROWS, names), None, {**settings, "target": "y"}))
        assert end.exit_code == 0, end.stderr
        assert end.job.manifest["feature_names"] == list(names[1:])


def test_line_ends_and_brackets_of_parquet_train_an_estimator(train: Train) -> None:
    names = ("y", "a\nb", "c[d]", "e<f", "\t")
    for settings in ALGORITHMS:
        end = train(**job(PARQUET, as_parquet(ROWS, names), None, {**settings, "target": "y"}))
        assert end.exit_code == 0, end.stderr
        assert end.job.manifest["feature_names"] == list(names[1:])
