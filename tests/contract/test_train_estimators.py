"""scikit-learn's estimators without a script: trained and served in containers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker
import joblib
import numpy as np
import pandas
import pytest
from containers import Train, Trained, bind, ended, run_train, serving, started, wait_until
from job_folder import JobFolder
from sklearn import datasets

pytestmark = pytest.mark.timeout(300)


def with_text(frame: pandas.DataFrame, column: str, text: str) -> pandas.DataFrame:
    """Replace the numbers of a column by words, and remove some cells."""
    words = pandas.cut(frame[column], 3, labels=["low", "middle", "high"]).astype(object)
    words[::17] = np.nan
    numbers = frame.drop(columns=column)
    numbers.iloc[::13, 0] = np.nan
    return numbers.assign(**{text: words})


def loaded(load: Callable[..., Any], texts: bool = True) -> pandas.DataFrame:
    data = load(as_frame=True)
    frame = with_text(data.data, data.data.columns[-1], "size") if texts else data.data
    names = getattr(data, "target_names", None)
    label = data.target if names is None or not texts else names[data.target]
    return frame.assign(y=label)


ESTIMATORS: Sequence[tuple[str, Callable[..., Any], dict[str, str], bool]] = [
    ("sklearn.ensemble.RandomForestClassifier", datasets.load_iris, {"n_estimators": "30"}, True),
    ("sklearn.ensemble.GradientBoostingClassifier", datasets.load_wine, {}, True),
    ("sklearn.ensemble.HistGradientBoostingClassifier", datasets.load_breast_cancer, {}, True),
    ("sklearn.ensemble.HistGradientBoostingRegressor", datasets.load_diabetes, {}, True),
    ("sklearn.linear_model.LogisticRegression", datasets.load_breast_cancer, {}, True),
    ("sklearn.svm.SVC", datasets.load_wine, {}, True),
    (
        "sklearn.ensemble.RandomForestClassifier",
        datasets.load_digits,
        {"n_estimators": "30"},
        False,
    ),
    ("sklearn.cluster.KMeans", datasets.load_iris, {"n_clusters": "3"}, True),
    ("sklearn.ensemble.IsolationForest", datasets.load_breast_cancer, {"n_estimators": "30"}, True),
    ("sklearn.neighbors.NearestCentroid", datasets.load_iris, {}, True),  # is not compiled
]


@pytest.mark.parametrize(
    ("algorithm", "load", "given", "texts"),
    ESTIMATORS,
    ids=[f"{row[0].rpartition('.')[2]}-{row[1].__name__}" for row in ESTIMATORS],
)
def test_answers_equal_those_of_the_saved_model(
    docker_engine: docker.DockerClient,
    image: str,
    train: Train,
    algorithm: str,
    load: Callable[..., Any],
    given: dict[str, str],
    texts: bool,
) -> None:
    frame = loaded(load, texts)
    done = train(
        {"algorithm": algorithm, "target": "y", **given},
        {"train": {"data.csv": frame.to_csv(index=False)}},
    )
    assert done.exit_code == 0, done.stderr
    rows = frame.drop(columns="y").iloc[::3]
    # As the image reads numbers: a split may be between a value and its float32.
    read = rows.astype(dict.fromkeys(rows.select_dtypes("number"), np.float32))
    expected = joblib.load(done.job.model / "model.joblib").predict(read)
    with serving(
        docker_engine, image, done.job.model, read_only=True, tmpfs={"/tmp": ""}
    ) as served:
        csv = served.invoke(rows.to_csv(index=False, header=False).encode())
        headed = served.invoke(rows.to_csv(index=False).encode())
        by_name = served.invoke(
            rows.to_json(orient="records").encode(), Content_Type="application/json"
        )
    assert csv.status == 200, csv.body
    assert csv.body == headed.body == by_name.body
    found = pandas.read_csv(io.BytesIO(csv.body), header=None)[0]
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    else:
        assert found.tolist() == expected.tolist()


def test_frames_of_any_pandas_types_give_the_answers_of_the_endpoint(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    frame = pandas.DataFrame(
        {
            "y": [row % 2 * 100 + row % 3 * 10 + row % 5 for row in range(90)],
            "flag": [bool(row % 2) for row in range(90)],
            "city": [("Ulm", "Bonn", None)[row % 3] for row in range(90)],
            "age": [None if row % 5 == 4 else row % 5 for row in range(90)],
        }
    )
    done = train(
        {"algorithm": "sklearn.linear_model.Ridge", "target": "y"},
        {"train": {"data.csv": frame.to_csv(index=False)}},
    )
    assert done.exit_code == 0, done.stderr
    rows = frame.drop(columns="y").iloc[:15]
    with serving(docker_engine, image, done.job.model) as served:
        csv = served.invoke(rows.to_csv(index=False, header=False).encode())
    assert csv.status == 200, csv.body
    found = pandas.read_csv(io.BytesIO(csv.body), header=None)[0]
    pipeline = joblib.load(done.job.model / "model.joblib")
    for types in (
        {},
        {"flag": "boolean", "city": "string", "age": "Int64"},
        {"city": "category", "age": "Float64"},
        {"flag": object, "city": object, "age": object},
    ):
        np.testing.assert_allclose(pipeline.predict(rows.astype(types)), found, rtol=1e-4)


@pytest.fixture(scope="module")
def forest(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("forest"),
        {
            "algorithm": "sklearn.ensemble.RandomForestClassifier",
            "target": "y",
            "validation_fraction": "0.2",
        },
        {"train": {"data.csv": loaded(datasets.load_iris).to_csv(index=False)}},
    )
    done = run_train(docker_engine, image, job)
    assert done.exit_code == 0, done.stderr
    return done


def test_metrics_are_one_line_with_tabs(forest: Trained) -> None:
    (line,) = forest.stdout.splitlines()
    assert line.startswith("[0]\ttrain-accuracy:")
    assert "\tvalidation-accuracy:" in line


def test_serve_imports_no_scikit_learn(
    docker_engine: docker.DockerClient, image: str, forest: Trained
) -> None:
    with serving(docker_engine, image, forest.job.model) as served:
        assert served.invoke(b"5.1,3.5,1.4,low\n").body == b"setosa\n"
        for worker in (1, *served.workers()):
            maps = served.container.exec_run(["cat", f"/proc/{worker}/maps"]).output
            assert b"sklearn" not in maps
            assert b"pandas" not in maps


def test_probabilities_and_labels_are_selectable(
    docker_engine: docker.DockerClient, image: str, forest: Trained
) -> None:
    keys = "predicted_label,probability,probabilities,labels"
    environment = {"SAGEMAKER_INFERENCE_OUTPUT": keys}
    with serving(docker_engine, image, forest.job.model, environment=environment) as served:
        answer = served.invoke(b"5.1,3.5,1.4,low\n", Accept="application/json")
    (found,) = json.loads(answer.body)["predictions"]
    assert found["predicted_label"] == "setosa"
    assert found["labels"] == ["setosa", "versicolor", "virginica"]
    assert found["probability"] == max(found["probabilities"]) > 0.9


def test_answer_of_a_transformer_is_valid_input_of_the_next_container(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    frame = loaded(datasets.load_wine)
    done = train(
        {"algorithm": "sklearn.compose.ColumnTransformer", "target": "y"},
        {"train": {"data.csv": frame.to_csv(index=False)}},
    )
    assert done.exit_code == 0, done.stderr
    rows = frame.drop(columns="y")[:5]
    expected = joblib.load(done.job.model / "model.joblib").transform(rows)
    with serving(docker_engine, image, done.job.model) as served:
        answer = served.invoke(rows.to_csv(index=False, header=False).encode())
    found = np.loadtxt(io.BytesIO(answer.body), delimiter=",")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"algorithm": "os.system"},
            "UserError: Hyperparameter algorithm: 'os.system' is neither xgboost nor the name",
        ),
        (
            {"algorithm": "sklearn.ensemble.RandomForestClassifier", "n_estimators": "0"},
            "UserError: Hyperparameter: The 'n_estimators' parameter of RandomForestClassifier",
        ),
        (
            {"algorithm": "sklearn.cluster.DBSCAN"},
            "UserError: Hyperparameter algorithm: sklearn.cluster.DBSCAN has no predict",
        ),
    ],
    ids=["outside", "constraint", "no-predict"],
)
def test_failure_names_the_remedy(train: Train, given: dict[str, str], reason: str) -> None:
    done = train(given)
    assert done.exit_code == 1
    assert done.reason.startswith(reason)


def test_sigterm_ends_training_at_once(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    lines = "".join(f"{i % 2},{draw.random():.4f},{draw.random():.4f}\n" for i in range(20_000))
    job = JobFolder.lay_out(
        tmp_path,
        {"algorithm": "sklearn.svm.SVC", "C": "1000000", "gamma": "1000"},
        {"train": {"data.csv": lines}},
    )
    with started(docker_engine, image, "train", mounts=[bind(job.root)]) as container:
        wait_until(lambda: b"20000 rows" in container.logs(), "the rows are read")
        container.stop(timeout=60)
        end = ended(container)
    assert end.exit_code == 143
    assert "stopped by SIGTERM" in end.last_line
    assert "save_model_on_termination" not in end.last_line
