"""Models that this image did not save: ONNX, scikit-learn, and broken folds."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from tabular.algorithms import onnx_predictor
from tabular.algorithms.onnx import predictor as onnx_models
from tabular.algorithms.onnx_predictor import OnnxPredictor
from tabular.algorithms.parallel import Parallel
from tabular.algorithms.predictor import Loading
from tabular.algorithms.sklearn import predictor as sklearn_models
from tabular.algorithms.xgboost import predictor as xgboost_models
from tabular.algorithms.xgboost.compiled_predictor import NATIVE_ROWS, CompiledPredictor
from tabular.algorithms.xgboost.compiling.trees import compile_booster
from tabular.algorithms.xgboost.model import load_model, save_models
from tabular.artifact.files import save_compiled, save_manifest
from tabular.artifact.manifest import Manifest, Parity
from tabular.contract.errors import RequestError, UserError
from tabular.serving.loading import load_predictor
from tabular.serving.requests import read_rows

from ..conftest import boost

DRAW = np.random.default_rng(5)
ROWS = DRAW.normal(size=(30, 4)).astype(np.float32)
LABEL = (ROWS[:, 0] > 0).astype(int)
FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64


@pytest.fixture(autouse=True)
def trial_loads_in_this_process(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Run trial loads in this process, because a separate process takes 2 s.

    Tests with ``@separate_process``, and the tests in containers, use a separate process.
    """
    if request.node.get_closest_marker("usefixtures") is None:
        for module in (xgboost_models, onnx_models, sklearn_models, onnx_predictor):
            monkeypatch.setattr(module, "trial_load", lambda load, path: load(path))


@pytest.fixture
def in_a_process() -> None:
    """Run the trial load in a separate process."""


separate_process = pytest.mark.usefixtures("in_a_process")


def onnx_model(
    folder: Path,
    nodes: list[Any],
    outputs: list[Any],
    inputs: list[Any] | None = None,
    weights: dict[str, np.ndarray[Any, Any]] | None = None,
) -> Path:
    constants = [
        helper.make_tensor(name, FLOAT if w.dtype == np.float32 else DOUBLE, w.shape, w.ravel())
        for name, w in (weights or {}).items()
    ]
    inputs = inputs or [helper.make_tensor_value_info("x", FLOAT, ["rows", 4])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return path


def linear(labels: dict[str, Any], kind: Any, zipmap: bool) -> tuple[list[Any], list[Any]]:
    """Make a classifier as skl2onnx writes it; the sign of the first feature is the class."""
    first = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "p"],
        domain="ai.onnx.ml",
        coefficients=[-1.0, 0, 0, 0, 1.0, 0, 0, 0],
        intercepts=[0.0, 0.0],
        post_transform="SOFTMAX",
        **{name.replace("int64s", "ints"): values for name, values in labels.items()},
    )
    outputs = [helper.make_tensor_value_info("label", kind, [None])]
    if not zipmap:
        return [first], [*outputs, helper.make_tensor_value_info("p", FLOAT, [None, 2])]
    node = helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", **labels)
    key = TensorProto.STRING if "classlabels_strings" in labels else INT64
    kinds = helper.make_sequence_type_proto(
        helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, []))
    )
    return [first, node], [*outputs, helper.make_value_info("z", kinds)]


@pytest.mark.parametrize("zipmap", [False, True])
def test_classifier_of_onnx_answers_with_labels_and_probabilities(
    tmp_path: Path, zipmap: bool
) -> None:
    onnx_model(tmp_path, *linear({"classlabels_int64s": [0, 1]}, INT64, zipmap))
    predictor = load_predictor(tmp_path)
    right = ROWS[:, 0] > 0
    assert predictor.predict(ROWS).tolist() == right.astype(int).tolist()
    assert predictor.meaning.classes == (0, 1)
    second = 1 / (1 + np.exp(-2 * ROWS[:, 0]))
    expected = np.stack([1 - second, second], axis=1)
    np.testing.assert_allclose(predictor.probabilities(ROWS), expected, rtol=1e-4)


def test_labels_of_onnx_may_be_text(tmp_path: Path) -> None:
    labels = {"classlabels_strings": ["no", "yes"]}
    onnx_model(tmp_path, *linear(labels, TensorProto.STRING, zipmap=True))
    predictor = load_predictor(tmp_path)
    assert predictor.meaning.classes == ("no", "yes")
    assert predictor.predict(ROWS).tolist() == np.where(ROWS[:, 0] > 0, "yes", "no").tolist()


@pytest.mark.parametrize(("kind", "dtype"), [(FLOAT, np.float32), (DOUBLE, np.float64)])
def test_regression_of_onnx_gives_a_number_a_row(tmp_path: Path, kind: int, dtype: Any) -> None:
    weights = {"w": np.arange(4, dtype=dtype)[:, None], "b": np.array([1], dtype)}
    onnx_model(
        tmp_path,
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        [helper.make_tensor_value_info("y", kind, [None, 1])],
        [helper.make_tensor_value_info("x", kind, [None, 4])],
        weights,
    )
    scores = load_predictor(tmp_path).predict(ROWS)
    np.testing.assert_allclose(scores, ROWS @ np.arange(4) + 1, rtol=1e-5)


def test_model_of_onnx_with_several_inputs_is_refused_by_their_names(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(name, FLOAT, [None, 4]) for name in ("age", "fare")]
    output = helper.make_tensor_value_info("y", FLOAT, [None, 4])
    onnx_model(tmp_path, [helper.make_node("Add", ["age", "fare"], ["y"])], [output], inputs)
    with pytest.raises(UserError, match=r"takes age tensor\(float\).*, fare tensor.*expected one"):
        load_predictor(tmp_path)


def test_model_of_onnx_for_one_row_refuses_two_with_both_figures(tmp_path: Path) -> None:
    shape = helper.make_tensor_value_info("x", FLOAT, [1, 4])
    output = helper.make_tensor_value_info("y", FLOAT, [1, 4])
    onnx_model(tmp_path, [helper.make_node("Neg", ["x"], ["y"])], [output], [shape])
    predictor = load_predictor(tmp_path)
    np.testing.assert_array_equal(predictor.predict(ROWS[:1]), -ROWS[:1])
    with pytest.raises(RequestError, match="Got: 2 Expected: 1"):
        predictor.predict(ROWS[:2])


def test_onnx_model_has_no_classes_if_its_second_output_fails(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info("x", FLOAT, [3, 4])]
    outputs = [helper.make_tensor_value_info(name, FLOAT, [3, 4]) for name in ("y", "z")]
    nodes = [helper.make_node("Neg", ["x"], [name]) for name in ("y", "z")]
    predictor = OnnxPredictor(onnx_model(tmp_path, nodes, outputs, inputs))
    assert predictor.meaning.classes == ()


@separate_process
def test_file_of_onnx_cut_off_is_refused(tmp_path: Path) -> None:
    path = onnx_model(tmp_path, *linear({"classlabels_int64s": [0, 1]}, INT64, zipmap=True))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"model\.onnx is not a model"):
        load_predictor(tmp_path)


@separate_process
def test_skops_file_is_loaded(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(ROWS, LABEL)
    skops.io.dump(model, tmp_path / "model.skops")
    predictor = load_predictor(tmp_path)
    np.testing.assert_array_equal(predictor.predict(ROWS), model.predict(ROWS))
    np.testing.assert_allclose(predictor.probabilities(ROWS), model.predict_proba(ROWS))


def frame() -> pandas.DataFrame:
    cities = np.where(ROWS[:, 0] > 0, "Rome", "Oslo").astype(object)
    cities[::5] = np.nan
    return pandas.DataFrame({"age": ROWS[:, 1].astype(float), "city": cities, "x": ROWS[:, 2]})


def test_pipeline_of_a_frame_accepts_text_in_encoded_columns(tmp_path: Path) -> None:
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    before = ColumnTransformer([("n", StandardScaler(), ["age", "x"]), ("t", texts, ["city"])])
    model = make_pipeline(before, LogisticRegression()).fit(frame(), LABEL)
    joblib.dump(model, tmp_path / "model.joblib")
    predictor = load_predictor(tmp_path)
    assert predictor.columns.categories == {1: ("Oslo", "Rome", "none")}
    body = frame().to_csv(index=False, header=False).encode()
    rows = read_rows(body, "text/csv", predictor.columns)
    assert predictor.predict(rows).tolist() == model.predict(frame()).tolist()
    other = frame().assign(city="Atlantis")
    body = other.to_csv(index=False).encode()
    rows = read_rows(body, "text/csv", predictor.columns)
    assert predictor.predict(rows).tolist() == model.predict(other).tolist()


def test_pipeline_that_selects_columns_by_name_gets_a_frame(tmp_path: Path) -> None:
    numbers = frame()[["age", "x"]]
    before = ColumnTransformer([("n", StandardScaler(), ["x"])], remainder="passthrough")
    model = make_pipeline(before, LogisticRegression()).fit(numbers, LABEL)
    joblib.dump(model, tmp_path / "model.joblib")
    found = load_predictor(tmp_path).predict(numbers.to_numpy(np.float32))
    assert found.tolist() == model.predict(numbers).tolist()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=3),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=KFold(2)),
    ],
    ids=["imputer", "histogram", "search"],
)
def test_skops_file_may_contain_the_types_of_a_pickle(tmp_path: Path, model: Any) -> None:
    skops.io.dump(model.fit(ROWS, LABEL), tmp_path / "model.skops")
    np.testing.assert_array_equal(load_predictor(tmp_path).predict(ROWS), model.predict(ROWS))


def test_estimator_of_another_version_is_served_with_a_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.5.2")
        joblib.dump(LogisticRegression().fit(ROWS, LABEL), tmp_path / "model.joblib")
    load_predictor(tmp_path)
    assert "model.joblib was saved by scikit-learn 1.5.2, and this is" in caplog.text


def test_estimator_of_another_version_that_can_not_be_served_is_a_user_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABEL)
    del model.transform_input
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.5.2")
        joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(UserError, match=r"it was saved by scikit-learn 1\.5\.2: save it with this"):
        load_predictor(tmp_path)


def test_feature_names_of_a_booster_are_its_columns(tmp_path: Path) -> None:
    matrix = xgboost.DMatrix(ROWS, LABEL, feature_names=["age", "rooms", "size", "x"])
    xgboost.train({"nthread": 1}, matrix, 2).save_model(tmp_path / "xgboost-model.ubj")
    predictor = load_predictor(tmp_path)
    turned = b"x,size,rooms,age\n0.4,0.3,0.2,0.1\n"
    rows = read_rows(turned, "text/csv", predictor.columns)
    np.testing.assert_allclose(rows, [[0.1, 0.2, 0.3, 0.4]], rtol=1e-6)


def test_model_of_onnx_without_an_answer_for_each_row_is_refused(tmp_path: Path) -> None:
    total = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    onnx_model(tmp_path, [total], [helper.make_tensor_value_info("y", FLOAT, [])])
    with pytest.raises(UserError, match=r"answers 1 row with an output of the shape \(\)"):
        load_predictor(tmp_path)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_model_of_onnx_for_whole_numbers_refuses_others(tmp_path: Path, value: float) -> None:
    inputs = [helper.make_tensor_value_info("x", INT64, [None, 4])]
    output = helper.make_tensor_value_info("y", INT64, [None, 4])
    onnx_model(tmp_path, [helper.make_node("Neg", ["x"], ["y"])], [output], inputs)
    predictor = load_predictor(tmp_path)
    rows = np.array([[1, 2, 3, 4]], np.float32)
    assert predictor.predict(rows).tolist() == [[-1, -2, -3, -4]]
    rows[0, 2] = value
    with pytest.raises(RequestError, match="the model takes whole numbers"):
        predictor.predict(rows)


def own(rows: Any) -> Any:
    return rows


def test_skops_file_with_a_type_of_the_customer_is_refused_by_its_name(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(own), LogisticRegression()).fit(ROWS, LABEL)
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(UserError, match=r"test_loading_foreign\.own"):
        load_predictor(tmp_path)


@separate_process
def test_malicious_skops_file_runs_nothing(tmp_path: Path) -> None:
    skops.io.dump(LogisticRegression().fit(ROWS, LABEL), tmp_path / "good.skops")
    with zipfile.ZipFile(tmp_path / "good.skops") as good:
        contents = {name: good.read(name) for name in good.namelist()}
    schema = contents["schema.json"].decode()
    schema = schema.replace('"LogisticRegression"', '"system"')
    schema = schema.replace('"sklearn.linear_model._logistic"', '"posix"')
    assert "posix" in schema
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as bad:
        for name, content in {**contents, "schema.json": schema.encode()}.items():
            bad.writestr(name, content)
    (tmp_path / "good.skops").unlink()
    with pytest.raises(UserError, match=r"posix\.system"):
        load_predictor(tmp_path)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LogisticRegression(), "it is not fitted"),
        (DBSCAN(), "it holds a DBSCAN, which has no predict"),
        ({"model": 1}, "it holds a dict"),
    ],
    ids=str,
)
def test_pickle_of_an_object_that_can_not_predict_is_refused(
    tmp_path: Path, model: object, reason: str
) -> None:
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(UserError, match=reason):
        load_predictor(tmp_path)


def test_clusters_have_no_probabilities(tmp_path: Path) -> None:
    joblib.dump(KMeans(2, n_init=1).fit(ROWS), tmp_path / "model.joblib")
    predictor = load_predictor(tmp_path)
    assert set(predictor.predict(ROWS).tolist()) == {0, 1}
    assert not predictor.meaning.has_probabilities


def test_classifier_of_several_targets_answers_with_all(tmp_path: Path) -> None:
    # A multi-output classifier: its classes are a list of arrays of different lengths.
    label = np.c_[LABEL, np.arange(30) % 3]
    model = RandomForestClassifier(3, random_state=0).fit(ROWS, label)
    joblib.dump(model, tmp_path / "model.joblib")
    predictor = load_predictor(tmp_path)
    np.testing.assert_array_equal(predictor.predict(ROWS), model.predict(ROWS))
    assert predictor.meaning.classes == ()


def test_folds_of_different_objectives_are_refused(tmp_path: Path) -> None:
    for number, objective in enumerate(["binary:logistic", "reg:squarederror"]):
        model = boost(tmp_path / str(number), {"objective": objective}, manifest=False)
        (tmp_path / f"xgboost-model-{number}").write_bytes(bytes(model.save_raw("ubj")))
    with pytest.raises(UserError, match=r"xgboost-model-1 and xgboost-model-0 are not models of"):
        load_predictor(tmp_path)


def test_pickled_folds_vote(tmp_path: Path) -> None:
    members = []
    for number in range(3):
        params = {"objective": "multi:softmax", "num_class": 3, "max_depth": number + 1}
        members.append(boost(tmp_path / str(number), params, manifest=False))
        (tmp_path / f"xgboost-model-{number}").write_bytes(pickle.dumps(members[-1]))
    votes = np.stack([member.predict(xgboost.DMatrix(ROWS)) for member in members]).astype(int)
    expected = [np.bincount(column).argmax() for column in votes.T]
    assert load_predictor(tmp_path).predict(ROWS).tolist() == expected


def compiled(folder: Path, *all_params: dict[str, object], named: bool = True) -> None:
    """Save an artifact as training does."""
    boosters = [boost(folder, params, manifest=False) for params in all_params]
    files = save_models(folder, boosters)
    if named:
        files |= save_compiled(folder, [compile_booster(booster) for booster in boosters])
    objective = str(all_params[0]["objective"])
    classes = int(str(all_params[0].get("num_class", 0)))
    manifest = Manifest(
        algorithm="xgboost",
        objective=objective,
        num_features=4,
        num_class=classes,
        rounds=4,
        files=files,
    )
    save_manifest(
        folder, Manifest(**{**manifest.__dict__, "compiled": Parity(True, "", 1e-5, 0.0, 1)})
    )


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "binary:logistic"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "multi:softmax", "num_class": 3},
        {"objective": "binary:hinge"},
    ],
    ids=str,
)
def test_compiled_model_explains_as_xgboost(tmp_path: Path, params: dict[str, object]) -> None:
    compiled(tmp_path, params)
    predictor = load_predictor(tmp_path)
    assert isinstance(predictor, CompiledPredictor)
    native, matrix = load_model(tmp_path / "xgboost-model"), xgboost.DMatrix(ROWS)
    np.testing.assert_allclose(predictor.predict(ROWS), native.predict(matrix), rtol=1e-5)
    np.testing.assert_allclose(
        predictor.contributions(ROWS), native.predict(matrix, pred_contribs=True), rtol=1e-5
    )
    leaves = native.predict(matrix, pred_leaf=True).reshape(len(ROWS), -1)
    np.testing.assert_array_equal(predictor.leaves(ROWS), leaves)


def test_large_request_gets_the_scores_of_its_parts(tmp_path: Path) -> None:
    compiled(tmp_path, {"objective": "multi:softprob", "num_class": 3})
    predictor = load_predictor(tmp_path, Loading(Parallel(2)))
    rows = DRAW.normal(size=(NATIVE_ROWS, 4)).astype(np.float32)
    parts = [predictor.predict(part) for part in np.array_split(rows, 3)]
    np.testing.assert_allclose(predictor.predict(rows), np.concatenate(parts), rtol=1e-5)


def test_compiled_folds_predict_their_mean(tmp_path: Path) -> None:
    params: dict[str, object] = {"objective": "binary:logistic"}
    compiled(tmp_path, {**params, "max_depth": 1}, {**params, "max_depth": 5})
    each = [
        load_model(tmp_path / f"xgboost-model-{number}").predict(xgboost.DMatrix(ROWS))
        for number in (0, 1)
    ]
    predictor = load_predictor(tmp_path)
    np.testing.assert_allclose(predictor.predict(ROWS), np.mean(each, axis=0), rtol=1e-5)
    assert predictor.engine.endswith("2 models")
    first = load_predictor(tmp_path, Loading(ensemble=False))
    np.testing.assert_allclose(first.predict(ROWS), each[0], rtol=1e-5)


def test_manifest_that_lacks_the_compiled_model_is_refused(tmp_path: Path) -> None:
    compiled(tmp_path, {"objective": "binary:logistic"}, named=False)
    with pytest.raises(UserError, match="names no compiled model"):
        load_predictor(tmp_path)


def test_changed_compiled_model_is_refused(tmp_path: Path) -> None:
    compiled(tmp_path, {"objective": "binary:logistic"})
    path = tmp_path / "tabular" / "compiled.onnx"
    path.write_bytes(path.read_bytes().replace(b"margin", b"nigram"))
    with pytest.raises(UserError, match=r"compiled\.onnx is not the file that its manifest"):
        load_predictor(tmp_path)
