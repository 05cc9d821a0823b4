"""Algorithm mode for scikit-learn: whole trainings on small data, and what they serve."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from sklearn import datasets
from sklearn.pipeline import Pipeline

from tabular.algorithms.predictor import Predictor
from tabular.algorithms.sklearn.compiled_predictor import CompiledEstimatorPredictor
from tabular.artifact.manifest import Manifest, read_manifest
from tabular.contract.errors import JobError, RequestError, UserError
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.serving.loading import load_predictor
from tabular.serving.requests import read_rows
from tabular.training.run import Run
from tabular.training.timing import Timing

from ....conftest import JobFolder
from ...runs import train

FOREST = "sklearn.ensemble.RandomForestClassifier"
CHAIN = "sklearn.multioutput.ClassifierChain"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
KINDS = ("setosa", "versicolor", "virginica")
HEADED = {"train": {"ContentType": "text/csv"}, "validation": {"ContentType": "text/csv"}}


def iris(names: bool = True, texts: bool = True) -> str:
    data = datasets.load_iris()
    lines = ["species,sepal length,sepal width,petal length,petal width"] * names
    for row, kind in zip(data.data.tolist(), data.target.tolist(), strict=True):
        lines.append(",".join([KINDS[kind] if texts else str(kind), *map(str, row)]))
    return "\n".join(lines) + "\n"


def people(rows: int = 200) -> str:
    """Text columns, missing cells, a label of text that follows from them."""
    draw = np.random.default_rng(0)
    lines = ["age,city,income,bought"]
    for _ in range(rows):
        age, city = draw.integers(20, 70), draw.choice(["Bonn", "Ulm", "Köln"])
        income = draw.normal(50, 10)
        bought = "yes" if (city == "Ulm") ^ (age > 45) else "no"
        cells = [str(age), str(city), f"{income:.2f}"]
        place = draw.integers(0, 12)
        if place < 3:
            cells[place] = ""
        lines.append(",".join([*cells, bought]))
    return "\n".join(lines) + "\n"


def unexpected(error: JobError) -> None:
    raise error


def run(folder: JobFolder, algorithm: str = FOREST, memory: int = 8 << 30, **given: object) -> str:
    """Train; what was printed."""
    named = {"algorithm": algorithm, **given}
    folder.config("hyperparameters.json", {key: str(value) for key, value in named.items()})
    stdout = io.StringIO()
    machine = Machine(cpus=1, gpus=0, memory=memory)
    termination = Termination(lambda message: None)
    train(Run(read_job(folder.environ), machine, termination, stdout, unexpected, Timing()))
    return stdout.getvalue()


def manifest_of(folder: JobFolder) -> Manifest:
    manifest = read_manifest(folder.root / "model")
    assert manifest is not None
    return manifest


def model_of(folder: JobFolder) -> Any:
    return joblib.load(folder.root / "model" / "model.joblib")


def predictor_of(folder: JobFolder) -> Predictor:
    return load_predictor(folder.root / "model")


def answers(predictor: Predictor, body: str) -> list[Any]:
    scores: list[Any] = predictor.predict(
        read_rows(body.encode(), "text/csv", predictor.columns)
    ).tolist()
    return scores


@pytest.fixture
def flowers(job_folder: JobFolder) -> JobFolder:
    job_folder.data("train", iris())
    return job_folder


@pytest.fixture
def shop(job_folder: JobFolder) -> JobFolder:
    job_folder.data("train", people())
    return job_folder


# What is learnt


def test_model_is_saved_as_joblib_of_a_pipeline(flowers: JobFolder) -> None:
    run(flowers, target="species", n_estimators=5)
    model = model_of(flowers)
    assert isinstance(model, Pipeline)
    assert model.named_steps["model"].n_estimators == 5


def test_saved_model_takes_a_frame_of_the_users_own(shop: JobFolder) -> None:
    run(shop, target="bought", n_estimators=5)
    frame = pandas.DataFrame({"city": ["Ulm"], "income": [50.0], "age": [30]})
    assert model_of(shop).predict(frame[["age", "city", "income"]]).tolist() == ["yes"]


def test_text_labels_come_back(flowers: JobFolder) -> None:
    run(flowers, target="species")
    assert manifest_of(flowers).classes == KINDS
    assert answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n") == [
        "setosa",
        "virginica",
    ]


def test_whole_numbers_come_back_as_they_were(job_folder: JobFolder) -> None:
    job_folder.data("train", iris(names=False, texts=False))
    run(job_folder)
    assert answers(predictor_of(job_folder), "5.1,3.5,1.4,0.2\n") == [0]


def test_headless_text_labels_are_taken(job_folder: JobFolder) -> None:
    job_folder.data("train", iris(names=False))
    run(job_folder)
    assert answers(predictor_of(job_folder), "5.1,3.5,1.4,0.2\n") == ["setosa"]


def test_columns_can_be_dropped(flowers: JobFolder) -> None:
    run(flowers, target="species", drop="sepal width,sepal length")
    assert manifest_of(flowers).feature_names == ("petal length", "petal width")


def test_weights_are_heeded(job_folder: JobFolder) -> None:
    rows = ["y,w,x", *(f"{i % 2},{1 if i % 2 else 0},0" for i in range(40))]
    job_folder.data("train", "\n".join(rows) + "\n")
    run(job_folder, "sklearn.tree.DecisionTreeClassifier", target="y", weight="w")
    assert answers(predictor_of(job_folder), "0\n") == [1]


def test_same_job_gives_the_same_predictions(flowers: JobFolder) -> None:
    def chances() -> list[Any]:
        run(flowers, target="species", n_estimators=5)
        predictor = predictor_of(flowers)
        body = b"6,3,4.9,1.7\n"
        found: list[Any] = predictor.probabilities(
            read_rows(body, "text/csv", predictor.columns)
        ).tolist()
        return found

    assert chances() == chances()


def test_skops_holds_no_pickle(flowers: JobFolder) -> None:
    run(flowers, target="species", model_format="skops", n_estimators=5)
    assert (flowers.root / "model" / "model.skops").read_bytes().startswith(b"PK")
    assert not (flowers.root / "model" / "model.joblib").exists()
    assert answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n") == ["setosa"]


def test_clusters_need_no_label(job_folder: JobFolder) -> None:
    draw = np.random.default_rng(0)
    rows = [f"{draw.normal(5 * (i % 2)):.3f},{draw.normal():.3f}" for i in range(80)]
    job_folder.data("train", "\n".join(rows) + "\n")
    printed = run(job_folder, "sklearn.cluster.KMeans", n_clusters=2)
    assert "train-silhouette:" in printed
    found = answers(predictor_of(job_folder), "0,0\n5,0\n0.1,0\n")
    assert found[0] == found[2] != found[1]


def test_target_of_clusters_is_left_out(flowers: JobFolder) -> None:
    run(flowers, "sklearn.cluster.KMeans", n_clusters=3, target="species")
    assert manifest_of(flowers).num_features == 4


def test_preprocessing_alone_serves_as_the_first_of_a_pipeline(shop: JobFolder) -> None:
    run(shop, "sklearn.compose.ColumnTransformer", target="bought")
    found = answers(predictor_of(shop), "30,Ulm,50\n,Oslo,\n")
    assert len(found[0]) == len(found[1]) == 2 + 4  # numbers, three cities and a missing one
    assert found[1][2:] == [0, 0, 0, 0]


def test_transformer_answers_with_its_columns(flowers: JobFolder) -> None:
    run(flowers, "sklearn.decomposition.PCA", n_components=2, target="species")
    assert np.shape(answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n")) == (1, 2)


def test_rows_of_one_class_make_a_model_that_answers_it(
    job_folder: JobFolder, caplog: pytest.LogCaptureFixture
) -> None:
    job_folder.data("train", "y,x\n" + "yes,1\nyes,2\n" * 20)
    run(job_folder, target="y", n_estimators=3)
    assert "all labels are 'yes'" in caplog.text
    assert answers(predictor_of(job_folder), "5\n") == ["yes"]


def test_stack_needs_no_final_estimator(flowers: JobFolder) -> None:
    given = "[('tree', 'sklearn.tree.DecisionTreeClassifier')]"
    run(flowers, "sklearn.ensemble.StackingClassifier", target="species", estimators=given)
    assert answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n") == ["setosa"]


def test_members_of_an_ensemble_are_scaled_for(flowers: JobFolder) -> None:
    given = "[('near', 'sklearn.neighbors.KNeighborsClassifier')]"
    run(flowers, "sklearn.ensemble.VotingClassifier", target="species", estimators=given)
    numbers = model_of(flowers).named_steps["preprocess"].named_transformers_["numbers"]
    assert "scale" in numbers.named_steps


@pytest.mark.parametrize("preprocess", ["auto", "none"])
def test_vote_compiles(flowers: JobFolder, preprocess: str) -> None:
    given = f"[['tree', 'sklearn.tree.DecisionTreeClassifier'], ['line', '{LOGISTIC}']]"
    name = "sklearn.ensemble.VotingClassifier"
    run(flowers, name, target="species", estimators=given, voting="soft", preprocess=preprocess)
    assert isinstance(predictor_of(flowers), CompiledEstimatorPredictor)
    assert model_of(flowers).get_params()[
        "flatten_transform" if preprocess == "none" else "model__flatten_transform"
    ]


def test_own_transformers_are_kept(flowers: JobFolder) -> None:
    given = [["n", "sklearn.preprocessing.MinMaxScaler", ["sepal length"]]]
    given_json = json.dumps(given)
    run(flowers, "sklearn.compose.ColumnTransformer", target="species", transformers=given_json)
    assert np.ravel(answers(predictor_of(flowers), "7.9,3.5,1.4,0.2\n")) == pytest.approx([1])


def test_features_are_chosen_by_their_score(flowers: JobFolder) -> None:
    run(flowers, "sklearn.feature_selection.SelectKBest", target="species", k=2)
    found = answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n")
    assert found[0] == pytest.approx([1.4, 0.2])


def test_mixtures_answer_with_their_component(flowers: JobFolder) -> None:
    run(flowers, "sklearn.mixture.GaussianMixture", target="species", n_components=2)
    assert answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n")[0] in (0, 1)


def test_weights_of_numbered_classes_come_as_json(job_folder: JobFolder) -> None:
    job_folder.data("train", "y,x\n" + "3,1\n7,1\n" * 20)
    run(job_folder, LOGISTIC, target="y", class_weight='{"3": 1, "7": 50}')
    assert answers(predictor_of(job_folder), "1\n") == [7]


def test_boolean_labels_come_back_as_they_are_written(job_folder: JobFolder) -> None:
    frame = pandas.DataFrame({"y": [True, False] * 20, "x": [1.0, 2.0] * 20})
    job_folder.data("train", "")
    folder = job_folder.root / "input" / "data" / "train"
    (folder / "data.csv").unlink()
    frame.to_parquet(folder / "data.parquet")
    run(job_folder, LOGISTIC, target="y")
    assert answers(predictor_of(job_folder), "1\n2\n") == ["True", "False"]


def test_digits_that_float32_loses_are_told(
    job_folder: JobFolder, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{1e9 + i:.0f},{1700000000 + i},{1e9 * i:.0f}" for i in range(200)]
    job_folder.data("train", "y,time,amount\n" + "\n".join(rows) + "\n")
    run(job_folder, "sklearn.linear_model.LinearRegression", target="y")
    told = [line for line in caplog.text.splitlines() if "subtract an offset" in line]
    assert len(told) == 2
    assert "column time: values near 1.7e+09 are kept in steps of 128" in told[0]
    assert "column of the labels" in told[1]


# What is compiled

TEXT_ESTIMATORS = [
    (FOREST, {"n_estimators": 20}),
    ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 20}),
    ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 20}),
    (LOGISTIC, {}),
    ("sklearn.svm.SVC", {}),
    ("sklearn.tree.DecisionTreeClassifier", {}),
]


@pytest.mark.parametrize(("algorithm", "given"), TEXT_ESTIMATORS, ids=lambda each: str(each)[-20:])
def test_compiled_model_takes_text_as_the_original_does(
    shop: JobFolder, algorithm: str, given: dict[str, object]
) -> None:
    run(shop, algorithm, target="bought", **given)
    predictor = predictor_of(shop)
    assert isinstance(predictor, CompiledEstimatorPredictor), manifest_of(shop).compiled
    frame = pandas.read_csv(io.StringIO(people(300))).drop(columns="bought")
    frame.loc[0, "city"] = "Oslo"  # which no training row has
    body = frame.to_csv(index=False, header=False)
    expected = model_of(shop).predict(frame.astype({"age": float}))
    assert answers(predictor, body) == expected.tolist()


def test_equal_jobs_write_equal_files(flowers: JobFolder) -> None:
    first, second = [
        (run(flowers, target="species", n_estimators=3), flowers.root / "model")[1]
        .joinpath("tabular", "compiled.onnx")
        .read_bytes()
        for _ in range(2)
    ]
    assert first == second


@pytest.mark.parametrize("algorithm", [FOREST, "sklearn.tree.DecisionTreeClassifier"])
def test_probabilities_of_two_classes_are_the_originals(shop: JobFolder, algorithm: str) -> None:
    run(shop, algorithm, target="bought", max_depth=3)
    predictor = predictor_of(shop)
    assert isinstance(predictor, CompiledEstimatorPredictor)
    frame = pandas.read_csv(io.StringIO(people(50))).drop(columns="bought")
    rows = read_rows(
        frame.to_csv(index=False, header=False).encode(), "text/csv", predictor.columns
    )
    expected = model_of(shop).predict_proba(frame.astype({"age": float}))
    assert predictor.probabilities(rows) == pytest.approx(expected, abs=1e-6)


def test_model_that_does_not_compile_is_served_natively(flowers: JobFolder) -> None:
    run(flowers, "sklearn.neighbors.NearestCentroid", target="species")
    predictor = predictor_of(flowers)
    parity = manifest_of(flowers).compiled
    assert parity is not None
    assert not parity.served
    assert parity.reason
    assert predictor.engine.startswith("scikit-learn")
    assert answers(predictor, "5.1,3.5,1.4,0.2\n") == ["setosa"]


def test_natively_served_model_takes_text(shop: JobFolder) -> None:
    run(shop, "sklearn.neighbors.NearestCentroid", target="bought")
    frame = pandas.read_csv(io.StringIO(people(100))).drop(columns="bought")
    body = frame.to_csv(index=False, header=False)
    expected = model_of(shop).predict(frame.astype({"age": float})).tolist()
    assert answers(predictor_of(shop), body) == expected


def test_missing_values_are_refused_where_the_estimator_refuses_them(flowers: JobFolder) -> None:
    from tabular.contract.errors import RequestError

    run(flowers, LOGISTIC, target="species", preprocess="none")
    assert not manifest_of(flowers).takes_missing
    with pytest.raises(RequestError, match=r"row 2, column 3 \(petal length\) is missing"):
        answers(predictor_of(flowers), "5.1,3.5,1.4,0.2\n5.1,3.5,,0.2\n")


def test_infinite_values_are_refused(flowers: JobFolder) -> None:
    from tabular.contract.errors import RequestError

    run(flowers, target="species")
    with pytest.raises(RequestError, match="infinite"):
        answers(predictor_of(flowers), "5.1,inf,1.4,0.2\n")


# What is measured


def test_metrics_of_both_channels_are_one_line(flowers: JobFolder) -> None:
    flowers.data("validation", iris())
    printed = run(flowers, target="species")
    assert printed.startswith("[0]\ttrain-accuracy:1.00000\t")
    assert "\tvalidation-accuracy:1.00000\t" in printed
    assert printed.count("\n") == 1


def test_rows_can_be_held_out(flowers: JobFolder) -> None:
    printed = run(flowers, target="species", validation_fraction=0.3)
    assert "\tvalidation-logloss:" in printed
    assert 0.8 < (manifest_of(flowers).metrics["validation-accuracy"] or 0) < 1


def test_cross_validation_prints_each_fold_and_the_mean(flowers: JobFolder) -> None:
    lines = run(flowers, target="species", cross_validation=3, n_estimators=5).splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["[0]", "[1]", "[2]", "[3]"]
    scores = [float(line.partition("validation-accuracy:")[2].split()[0]) for line in lines]
    assert scores[3] == pytest.approx(np.mean(scores[:3]), abs=1e-5)


def test_regression_is_measured_by_its_own_metrics(job_folder: JobFolder) -> None:
    job_folder.data("train", "".join(f"{3 * i},{i},{i % 5}\n" for i in range(50)))
    printed = run(job_folder, "sklearn.linear_model.LinearRegression")
    assert [item.partition(":")[0] for item in printed.split()[1:]] == [
        f"train-{name}" for name in ("rmse", "mse", "mae", "r2")
    ]
    assert answers(predictor_of(job_folder), "10,0\n")[0] == pytest.approx(30, abs=1e-3)


# What is refused


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("os.system", "neither xgboost nor the name of an estimator"),
        ("sklearn", "neither xgboost nor the name of an estimator"),
        ("sklearn.ensemble._forest.RandomForestClassifier", "neither xgboost nor the name"),
        ("sklearn.ensemble.RandomForest", "Did you mean sklearn.ensemble.RandomForest"),
        ("sklearn.tree.RandomForestClassifier", "mean sklearn.ensemble.RandomForestClassifier"),
        ("sklearn.datasets.load_iris", "has no estimator sklearn.datasets.load_iris"),
        ("sklearn.cluster.DBSCAN", "has no predict for rows that it was not fitted on"),
        ("sklearn.neighbors.LocalOutlierFactor", "set novelty=true"),
        ("sklearn.neighbors.KernelDensity", "has no predict"),
        ("sklearn.linear_model.MultiTaskLasso", "learns several targets at once"),
        (
            "sklearn.semi_supervised.SelfTrainingClassifier",
            "parameter of SelfTrainingClassifier must be",
        ),
    ],
)
def test_names_of_no_use_are_refused(flowers: JobFolder, algorithm: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(flowers, algorithm)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_estimators": 0}, "The 'n_estimators' parameter of RandomForestClassifier must be"),
        ({"n_estimators": "many"}, "The 'n_estimators' parameter"),
        ({"max_dept": 3}, "Extraneous hyperparameter found: max_dept. Did you mean max_depth?"),
        ({"max_features": "(1,"}, "Hyperparameter max_features"),
        ({"preprocess": "some"}, "preprocess"),
        ({"validation_fraction": 1.5}, "validation_fraction"),
        ({"cross_validation": 1}, "cross_validation"),
        ({"cross_validation": 3, "validation_fraction": 0.1}, "both set"),
        ({"model_format": "onnx"}, "model_format"),
        ({"class_weight": {"a": "x"}}, "Hyperparameter class_weight: the weight of a is x"),
        (
            {"algorithm": "sklearn.ensemble.VotingClassifier", "estimators": [LOGISTIC]},
            "Hyperparameter estimators: expected a list of names and estimators",
        ),
        ({"algorithm": CHAIN, "estimator": LOGISTIC}, "learns several targets at once"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_hyperparameters_are_checked_before_data_is_read(
    job_folder: JobFolder, given: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(job_folder, **given)
    assert message in str(caught.value)


def test_own_parameter_that_the_job_hides_has_a_prefix(flowers: JobFolder) -> None:
    run(flowers, "sklearn.cluster.KMeans", target="species", model__algorithm="elkan", n_clusters=2)
    assert model_of(flowers).named_steps["model"].algorithm == "elkan"


def test_inner_estimators_are_named_too(flowers: JobFolder) -> None:
    run(
        flowers,
        "sklearn.ensemble.AdaBoostClassifier",
        target="species",
        estimator="sklearn.tree.DecisionTreeClassifier",
        estimator__max_depth=2,
        n_estimators=5,
    )
    assert model_of(flowers).named_steps["model"].estimator.max_depth == 2


REFUSED: Sequence[tuple[str, dict[str, object], str]] = [
    (
        "y,x\n" + "".join(f"{number}.5,2\n" for number in range(11)),
        {"target": "y"},
        "the labels are numbers such as 0.5",
    ),
    (
        "y,x\na,2\nb,3\n",
        {"algorithm": "sklearn.linear_model.LinearRegression", "target": "y"},
        "the labels are text ('a', 'b', ...)",
    ),
    ("y,x\n1,a\n0,b\n", {"target": "y", "preprocess": "none"}, "column 2 (x)"),
    ("y,x\n1,a\n0,b\n", {"target": "y", "preprocess": "none"}, "preprocess=none takes numbers"),
    ("y,x\n,2\n1,3\n", {"target": "y"}, "line 2, column 1 (y): a label or weight is missing"),
    ("y,x\na,2\n,3\n", {"target": "y"}, "line 3, column 1 (y): a label or weight is missing"),
    ("y,x\n1,2\n", {"target": "z"}, "no column 'z'"),
    ("y,x\n1,2\n", {"target": "y", "drop": "z"}, "no column 'z', which the hyperparameter drop"),
    ("y,x\n1,2\n1,3\n", {"target": "y", "algorithm": LOGISTIC}, "can't be fitted"),
    ("y,x\n1,2\n0,3\n", {"target": "y", "validation_fraction": 0.5}, "can't be split"),
    (
        "y,w,x\n1,1,2\n0,1,3\n",
        {"target": "y", "weight": "w", "algorithm": "sklearn.neighbors.KNeighborsClassifier"},
        "takes no weights",
    ),
    ("y,w,x\n1,-1,2\n0,1,3\n", {"target": "y", "weight": "w"}, "must not be negative"),
]


@pytest.mark.parametrize(
    ("content", "given", "message"), REFUSED, ids=[message for _, _, message in REFUSED]
)
def test_data_of_no_use_is_refused(
    job_folder: JobFolder, content: str, given: dict[str, object], message: str
) -> None:
    job_folder.data("train", content)
    with pytest.raises(UserError) as caught:
        run(job_folder, **given)
    assert message in str(caught.value)


def test_identifiers_are_refused_by_name(job_folder: JobFolder) -> None:
    rows = ["y,id", *(f"{i % 2},name{i}" for i in range(1100))]
    job_folder.data("train", "\n".join(rows) + "\n")
    with pytest.raises(UserError, match="column 'id' has 1,100 different texts"):
        run(job_folder, target="y")


def test_channels_disagreeing_on_the_labels_are_refused(flowers: JobFolder) -> None:
    flowers.data("validation", iris(texts=False))
    with pytest.raises(UserError, match="text in one channel and numbers in the other"):
        run(flowers, target="species")


def test_rows_that_do_not_fit_into_memory_are_refused(flowers: JobFolder) -> None:
    with pytest.raises(UserError, match="scikit-learn learns in memory"):
        run(flowers, target="species", memory=1000)


def test_several_hosts_are_refused(flowers: JobFolder) -> None:
    flowers.config(
        "resourceconfig.json",
        {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"], "network_interface_name": "lo"},
    )
    with pytest.raises(UserError, match="trains on one host, and the job has 2"):
        run(flowers)


def test_parquet_with_text_makes_the_same_model(shop: JobFolder, tmp_path: Path) -> None:
    run(shop, target="bought", n_estimators=5)
    first = answers(predictor_of(shop), "30,Ulm,50\n60,Bonn,40\n")
    frame = pandas.read_csv(io.StringIO(people()))
    (shop.root / "input" / "data" / "train" / "data.csv").unlink()
    frame.to_parquet(shop.root / "input" / "data" / "train" / "data.parquet")
    run(shop, target="bought", n_estimators=5)
    assert answers(predictor_of(shop), "30,Ulm,50\n60,Bonn,40\n") == first


def test_train_command_chooses_by_algorithm(flowers: JobFolder) -> None:
    given = {"algorithm": LOGISTIC, "target": "species"}
    flowers.config("hyperparameters.json", given)
    done = flowers.run("train")
    assert done.returncode == 0, done.stderr
    assert "compiled to ONNX" in done.stderr
    manifest = json.loads((flowers.root / "model" / "tabular" / "manifest.json").read_text())
    assert manifest["algorithm"] == LOGISTIC


@pytest.mark.parametrize("estimator", [LOGISTIC, "sklearn.neighbors.KNeighborsClassifier"])
def test_value_that_a_sparse_row_leaves_out_is_0_as_in_training(
    job_folder: JobFolder, estimator: str
) -> None:
    lines = [f"{at % 2} 1:{at % 2 + 1} {'2:5' if at % 3 else ''} 3:-{at % 5}" for at in range(60)]
    job_folder.data("train", "\n".join(lines) + "\n", "data.libsvm")
    job_folder.config("inputdataconfig.json", {"train": {"ContentType": "text/libsvm; base=1"}})
    run(job_folder, estimator)
    predictor = predictor_of(job_folder)
    assert manifest_of(job_folder).schema["sparse"]
    found = [
        predictor.probabilities(read_rows(body, kind, predictor.columns))
        for body, kind in ((b"1:2\n3:-4", "text/libsvm"), (b"2,0,0\n0,0,-4", "text/csv"))
    ]
    np.testing.assert_array_equal(*found)


def test_value_that_a_sparse_row_leaves_out_is_missing_after_dense_training(
    job_folder: JobFolder,
) -> None:
    job_folder.data("train", "".join(f"{at % 2},{at},{at % 7}\n" for at in range(60)))
    run(job_folder, LOGISTIC)
    columns = predictor_of(job_folder).columns
    np.testing.assert_array_equal(
        read_rows(b"0:2", "text/libsvm", columns), np.array([[2, np.nan]], np.float32)
    )


def test_dates_are_features_and_answers_are_those_of_the_saved_pipeline(
    job_folder: JobFolder,
) -> None:
    moments = pandas.date_range("2026-01-01", periods=200, freq="7h")
    rows = [f"{int(at.hour < 8)},{at:%Y-%m-%d %H:%M},{at.month}" for at in moments]
    job_folder.data("train", "\n".join(["night,when,x", *rows]) + "\n")
    run(job_folder, target="night", model_format="joblib")
    predictor = predictor_of(job_folder)
    body = "\n".join(row.partition(",")[2] for row in rows).encode()
    served = predictor.probabilities(read_rows(body, "text/csv", predictor.columns))
    assert (served.argmax(axis=1) == (moments.hour < 8)).all()
    frame = pandas.DataFrame({"when": moments, "x": moments.month})
    np.testing.assert_allclose(model_of(job_folder).predict_proba(frame), served, atol=1e-6)
    with pytest.raises(RequestError, match=r"column 1 .when.: 7 is a number, and the column holds"):
        read_rows(b"[[7, 1]]", "application/json", predictor.columns)


def test_dates_that_preprocessing_does_not_take_are_refused(job_folder: JobFolder) -> None:
    job_folder.data("train", "y,when\n0,2026-01-01\n1,2026-01-02\n")
    with pytest.raises(
        UserError, match=r"line 2, column 2 .when.: .*preprocess=none takes numbers"
    ):
        run(job_folder, target="y", preprocess="none")


def test_number_beside_a_split_is_rounded_as_in_requests(job_folder: JobFolder) -> None:
    """Histogram boosting inside another estimator splits at numbers of the training data."""
    draw = np.random.default_rng(5)
    x = draw.random(400).round(3)
    job_folder.data("train", "\n".join(["y,x", *(f"{int(at * 97 % 2)},{at}" for at in x)]) + "\n")
    trees = "sklearn.ensemble.HistGradientBoostingClassifier"
    for algorithm, given in (
        (trees, {}),
        ("sklearn.ensemble.VotingClassifier", {"estimators": [["a", trees]], "voting": "soft"}),
    ):
        run(job_folder, algorithm, target="y", **given)
        predictor = predictor_of(job_folder)
        body = "\n".join(map(str, x)).encode()
        served = predictor.probabilities(read_rows(body, "text/csv", predictor.columns))
        found = model_of(job_folder).predict_proba(pandas.DataFrame({"x": x}))
        np.testing.assert_allclose(found, served, atol=1e-6)
