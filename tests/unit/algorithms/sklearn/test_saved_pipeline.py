"""``joblib.load("model.joblib").predict(frame)`` gives the answers of the endpoint."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest

from tabular.algorithms.sklearn.model import load_estimator
from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor
from tabular.artifact.manifest import Manifest, read_manifest
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.serving.loading import load_predictor
from tabular.serving.requests import read_rows
from tabular.training.run import Run
from tabular.training.timing import Timing

from ...conftest import JobFolder
from ..runs import train

RIDGE = "sklearn.linear_model.Ridge"
TREES = "sklearn.ensemble.HistGradientBoostingRegressor"
ROWS = 160


def table() -> pandas.DataFrame:
    """One column of each kind, with missing values in all but one."""
    draw = np.random.default_rng(3)

    def gaps(values: Any) -> list[Any]:
        return [
            None if gone else value
            for value, gone in zip(values, draw.random(ROWS) < 0.1, strict=True)
        ]

    whole = draw.integers(1, 90, ROWS).tolist()
    city = draw.choice(["Ulm", "Bonn", "New York"], ROWS).tolist()
    frame = pandas.DataFrame(
        {
            "age": gaps(whole),
            "income": gaps(draw.normal(50, 10, ROWS).round(2).tolist()),
            "member": gaps(draw.choice([True, False], ROWS).tolist()),
            "flag": draw.choice([True, False], ROWS),
            "city": pandas.Series(gaps(city), dtype=object),
            "size": draw.choice(["S", "M", "L"], ROWS),
        }
    )
    frame.insert(
        0,
        "y",
        np.nan_to_num(frame["age"].astype(float))
        + 10 * frame["member"].map({True: 1, False: 2}).fillna(7).astype(float)
        + 100 * frame["flag"]
        + 30 * frame["city"].map({"Ulm": 1, "Bonn": 2, "New York": 4}).fillna(8).astype(float)
        + 5 * frame["size"].map({"S": 1, "M": 2, "L": 3}).astype(float),
    )
    return frame


TABLE = table()
FEATURES = (
    pandas.concat([TABLE[TABLE["city"].isna()].head(4), TABLE.head(36)])
    .drop(columns="y")
    .reset_index(drop=True)
)


@pytest.fixture(scope="module", params=[RIDGE, TREES])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job")
    (root / "input" / "config").mkdir(parents=True)
    (root / "model").mkdir()
    job = JobFolder(root)
    job.data("train", TABLE.to_csv(index=False))
    job.config("hyperparameters.json", {"algorithm": request.param, "target": "y"})
    machine, termination = Machine(cpus=1, gpus=0, memory=8 << 30), Termination(print)

    def unexpected(error: Exception) -> None:
        raise error

    run = Run(read_job(job.environ), machine, termination, io.StringIO(), unexpected, Timing())
    train(run)
    return root / "model"


def manifest_of(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def asked(folder: Path, frame: pandas.DataFrame) -> list[Any]:
    """Ask the compiled and the native model in CSV and in JSON; they must agree."""
    rows = [
        {name: None if pandas.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]
    columns = load_predictor(folder).columns
    found = []
    for predictor in (
        load_predictor(folder),
        EstimatorPredictor(load_estimator(folder / "model.joblib"), columns=columns),
    ):
        for body, content_type in (
            (frame.to_csv(index=False).encode(), "text/csv"),
            (json.dumps(rows, default=float).encode(), "application/json"),
        ):
            read = read_rows(body, content_type, predictor.columns)
            found.append(np.ravel(predictor.predict(read)))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4)
    return found[0].tolist()


def own(folder: Path, frame: pandas.DataFrame) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found: list[Any] = np.ravel(joblib.load(folder / "model.joblib").predict(frame)).tolist()
    return found


def test_schema_is_the_expected_one(folder: Path) -> None:
    columns = manifest_of(folder).columns
    assert sorted(columns.booleans) == [2, 3]
    assert sorted(columns.categories) == [4, 5]


# How users' frames hold the same values.
FRAMES: Mapping[str, Mapping[str, Any]] = {
    "as read by pandas": {},
    "nullable": {
        "age": "Int64",
        "income": "Float64",
        "member": "boolean",
        "flag": "boolean",
        "city": "string",
        "size": "string",
    },
    "arrow": {
        "age": "int64[pyarrow]",
        "income": "double[pyarrow]",
        "member": "bool[pyarrow]",
        "flag": "bool[pyarrow]",
        "city": "string[pyarrow]",
        "size": "string[pyarrow]",
    },
    "categories": dict.fromkeys(FEATURES, "category"),
    "objects": dict.fromkeys(FEATURES, object),
    "floats": {"age": "float32", "income": "float32", "member": float, "flag": float},
    "whole": {"flag": "int8"},
}


@pytest.mark.parametrize("types", FRAMES)
def test_frame_of_any_types_gives_the_answers_of_the_endpoint(folder: Path, types: str) -> None:
    frame = FEATURES.astype(dict(FRAMES[types]))
    np.testing.assert_allclose(own(folder, frame), asked(folder, FEATURES), rtol=1e-4)


@pytest.mark.parametrize("missing", [None, np.nan, pandas.NA], ids=["None", "NaN", "NA"])
def test_missing_text_is_missing_however_pandas_writes_it(folder: Path, missing: Any) -> None:
    city = [missing if pandas.isna(text) else text for text in FEATURES["city"].tolist()]
    assert any(text is missing for text in city)
    frame = FEATURES.assign(city=pandas.Series(city, dtype=object))
    np.testing.assert_allclose(own(folder, frame), asked(folder, FEATURES), rtol=1e-4)


def test_column_of_missing_values_alone(folder: Path) -> None:
    for name in ("age", "income", "member", "flag", "city"):
        frame = FEATURES.assign(**{name: np.nan})
        frame["city"] = frame["city"].astype(object)
        np.testing.assert_allclose(own(folder, frame), asked(folder, frame), rtol=1e-4)


def test_unknown_text_is_told_and_answered_as_the_endpoint_does(folder: Path) -> None:
    frame = FEATURES.assign(city="Oslo")
    with pytest.warns(UserWarning, match="unknown categories"):
        found = joblib.load(folder / "model.joblib").predict(frame)
    np.testing.assert_allclose(found, asked(folder, frame), rtol=1e-4)


def test_other_case_or_blanks_are_told(folder: Path) -> None:
    """The endpoint matches these, and no transformer of scikit-learn does."""
    frame = FEATURES.assign(city=" new  york")
    expected = asked(folder, FEATURES.assign(city="New York"))
    np.testing.assert_allclose(asked(folder, frame), expected, rtol=1e-4)
    with pytest.warns(UserWarning, match="unknown categories"):
        joblib.load(folder / "model.joblib").predict(frame)


@pytest.mark.parametrize("texts", [["True", "False"], ["yes", "no"]])
def test_texts_in_a_column_of_booleans_are_an_error(folder: Path, texts: list[str]) -> None:
    frame = FEATURES.assign(flag=[texts[not value] for value in FEATURES["flag"]])
    with pytest.raises(ValueError, match="could not convert string to float"):
        joblib.load(folder / "model.joblib").predict(frame)
