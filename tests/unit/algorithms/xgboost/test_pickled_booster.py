from __future__ import annotations

import inspect
import os
import pickle
import struct
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn.metrics
import xgboost
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from tabular.algorithms.sklearn.model import load_estimator
from tabular.algorithms.xgboost.model import load_model, load_unverified
from tabular.algorithms.xgboost.pickled_booster import read_booster
from tabular.artifact.discovery import holds_booster
from tabular.contract.errors import UserError
from tabular.serving.loading import load_predictor

DRAW = np.random.default_rng(0)
ROWS = np.abs(DRAW.normal(size=(60, 4))).astype(np.float32)
CLASSES = (ROWS[:, 0] > 0.7).astype(int)
WIDER = np.c_[CLASSES, CLASSES]


def booster() -> xgboost.Booster:
    return xgboost.train({"nthread": 1, "max_depth": 2}, xgboost.DMatrix(ROWS, CLASSES), 3)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_booster_scores_as_before(tmp_path: Path, protocol: int) -> None:
    model = booster()
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(model, protocol))
    found = load_model(tmp_path / "xgboost-model")
    np.testing.assert_array_equal(
        found.predict(xgboost.DMatrix(ROWS)), model.predict(xgboost.DMatrix(ROWS))
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "model",
    [
        xgboost.XGBClassifier(n_estimators=3, base_score=np.float64(0.5)),
        xgboost.XGBRegressor(n_estimators=3, random_state=np.random.RandomState(0)),
        xgboost.XGBRanker(n_estimators=3),
        xgboost.XGBRFClassifier(n_estimators=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_pickled_model_of_xgboosts_sklearn_scores_as_its_booster(model: Any, protocol: int) -> None:
    model.fit(ROWS, CLASSES, **({"qid": CLASSES * 0} if "Ranker" in type(model).__name__ else {}))
    found = xgboost.Booster(model_file=None)
    found.__setstate__({"handle": read_booster(pickle.dumps(model, protocol))})
    expected = model.get_booster().predict(xgboost.DMatrix(ROWS))
    np.testing.assert_array_equal(found.predict(xgboost.DMatrix(ROWS)), expected)


def test_rounds_after_early_stopping_are_left_out_of_a_pickled_model(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=2, learning_rate=1.0)
    model.fit(ROWS[:40], CLASSES[:40], eval_set=[(ROWS[40:], 1 - CLASSES[40:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    np.testing.assert_allclose(
        load_predictor(tmp_path).predict(ROWS), model.predict_proba(ROWS)[:, 1], rtol=1e-6
    )


def metric(labels: Any, scores: Any) -> float:
    return 0.0


@pytest.mark.parametrize("name", ["xgboost-model", "model.pkl"])
def test_model_with_a_function_of_the_customer_is_refused_by_its_name(
    tmp_path: Path, name: str
) -> None:
    model = xgboost.XGBClassifier(n_estimators=2, eval_metric=metric).fit(ROWS, CLASSES)
    (tmp_path / name).write_bytes(pickle.dumps(model))
    with pytest.raises(UserError, match=r"names .*xgboost\.test_pickled_booster\.metric"):
        load_predictor(tmp_path)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (xgboost.XGBClassifier(), "not a trained Booster"),
        ([1, 2], "it holds a list"),
        (np.float64(1), "it holds a float64"),
    ],
    ids=str,
)
def test_pickle_without_a_trained_booster_is_refused(found: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_booster(pickle.dumps(found))


def test_booster_with_a_state_of_another_kind_is_refused() -> None:
    content = b"\x80\x04\x8c\x0cxgboost.core\x8c\x07Booster\x93)\x81K\x01b."
    with pytest.raises(ValueError, match="its Booster is empty"):
        read_booster(content)


@pytest.mark.parametrize("make", [pickle.dumps, lambda m: pickle.dumps(m, 2)])
def test_booster_is_recognized_by_the_first_name_in_the_pickle(
    tmp_path: Path, make: Callable[[Any], bytes]
) -> None:
    path = tmp_path / "model"
    path.write_bytes(make(booster()))
    assert holds_booster(path)
    path.write_bytes(make(StandardScaler()))
    assert not holds_booster(path)
    path.write_bytes(make(booster())[:5])
    assert not holds_booster(path)


# Malicious pickles: each would create the file "ran", or call a function that could.
def called(module: str, name: str, *arguments: object) -> bytes:
    """Write the pickle of a call of any name: no pickler writes such a STACK_GLOBAL."""

    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    parts = b"".join(pickle.dumps(argument, 4)[2:-1] for argument in arguments)
    return b"\x80\x04" + text(module) + text(name) + b"\x93(" + parts + b"tR."


def malicious(ran: Path) -> dict[str, bytes]:
    command = f"touch {ran}"
    return {
        "os.system": called("os", "system", command),
        "posix.system": called("posix", "system", command),
        "builtins.eval": called("builtins", "eval", f"open({str(ran)!r}, 'w')"),
        "builtins.exec": called("builtins", "exec", f"open({str(ran)!r}, 'w')"),
        "builtins.getattr": called("builtins", "getattr", "a", "upper"),
        "builtins.__import__": called("builtins", "__import__", "os"),
        "builtins.open": called("builtins", "open", str(ran), "w"),
        "python 2's eval": b"\x80\x02c__builtin__\neval\n(X"
        + _long(f"open({str(ran)!r}, 'w')")
        + b"tR.",
        "subprocess": called("subprocess", "check_output", ["touch", str(ran)]),
        "functools.partial": called("functools", "partial", int),
        "operator.attrgetter": called("operator", "attrgetter", "a"),
        "copyreg": called("copyreg", "add_extension", "os", "system", 1),
        "numpy.load": called("numpy", "load", str(ran)),
        "numpy.save": called("numpy", "save", str(ran), 1),
        "numpy.memmap": called("numpy", "memmap", str(ran), "uint8", "w+", 0, 1),
        "numpy.fromfile": called("numpy", "fromfile", str(ran)),
        "numpy.f2py": called("numpy.f2py", "compile", ""),
        "dotted, numpy": called("numpy", "ctypeslib.os.system", command),
        "dotted, numpy.dtypes": called("numpy.dtypes", "Float64DType.__class__", "a"),
        "dotted, joblib": called("joblib.numpy_pickle", "os.system", command),
        "dotted, sklearn": called("sklearn", "sys.modules.clear"),
        "dotted, xgboost": called("xgboost.sklearn", "XGBModel.load_model", 1, str(ran)),
        "dotted, builtins": called("builtins", "bytearray.fromhex", "00"),
        "joblib.dump": called("joblib.numpy_pickle", "dump", 1, str(ran)),
        "joblib's NDArrayWrapper": called("joblib.numpy_pickle", "NDArrayWrapper", str(ran), 1),
        "joblib's Path": called("joblib.numpy_pickle", "Path", str(ran)),
        "numpy's dictionary": called("numpy.dtypes", "__builtins__"),
        "sklearn's files": called("sklearn.datasets", "load_svmlight_file", str(ran)),
        "sklearn's writer": called("sklearn.datasets", "dump_svmlight_file", [[1]], [1], str(ran)),
        "sklearn's imports": called("sklearn.metrics._scorer", "partial", 1),
        "sklearn's warnings": called("sklearn.base", "warnings"),
        "scipy.io": called("scipy.io", "savemat", str(ran), {}),
        "scipy.sparse files": called("scipy.sparse", "save_npz", str(ran), 1),
        "class of tests": called("sklearn.utils._testing", "TempMemmap", 1),
        "extension": b"\x80\x04\x82\x01.",
        "setattr on a module's function": called("sklearn.utils", "shuffle"),
    }


def _long(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


@pytest.mark.parametrize("case", sorted(malicious(Path("ran"))))
def test_malicious_pickle_runs_nothing(tmp_path: Path, case: str) -> None:
    ran = tmp_path / "ran"
    content = malicious(ran)[case]
    with pytest.raises(ValueError, match=r"names|extension|partial"):
        read_booster(content)
    (tmp_path / "model.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"names|extension|partial"):
        load_estimator(tmp_path / "model.pkl")
    assert not ran.exists()


def test_malicious_object_within_an_array_of_joblib_runs_nothing(tmp_path: Path) -> None:
    # joblib writes each array of objects as a separate pickle.
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {ran}",)

    model = LinearRegression().fit(ROWS, CLASSES)
    model.coef_ = np.array([Evil()], dtype=object)
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(UserError, match=r"names (posix|os)\.system"):
        load_estimator(tmp_path / "model.joblib")
    assert not ran.exists()


def test_state_of_an_allowed_class_can_not_replace_its_methods(tmp_path: Path) -> None:
    # BUILD on a class would set its attributes; the names of their values are refused too.
    content = (
        b"\x80\x04\x8c\x13sklearn._loss.link\x8c\x0cIdentityLink\x93".replace(b"\x13", b"\x12")
        + b"N}\x8c\x04link\x8c\x02os\x8c\x06system\x93s\x86b."
    )
    (tmp_path / "model.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"names os\.system"):
        load_estimator(tmp_path / "model.pkl")


def test_pickle_that_allocates_all_memory_is_refused(tmp_path: Path) -> None:
    # LONG_BINPUT makes room for four billion objects.
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04]r\xff\xff\xff\xf0.")
    with pytest.raises(UserError, match=r"model\.pkl"):
        load_predictor(tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_truncated_booster_is_refused(tmp_path: Path, part: float) -> None:
    whole = pickle.dumps(booster())
    (tmp_path / "xgboost-model").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(UserError, match="xgboost-model"):
        load_unverified(tmp_path / "xgboost-model")


def test_truncated_estimator_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(SVC().fit(ROWS, CLASSES))
    for size in (0, 1, 2, 30, len(whole) // 2, len(whole) - 1):
        (tmp_path / "model.joblib").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"model\.joblib"):
            load_estimator(tmp_path / "model.joblib")


def test_changed_byte_of_a_pickled_booster_does_not_end_the_server(tmp_path: Path) -> None:
    whole = bytearray(pickle.dumps(booster()))
    whole[len(whole) // 3] ^= 0xFF
    (tmp_path / "xgboost-model").write_bytes(whole)
    with suppress(UserError):
        assert load_unverified(tmp_path / "xgboost-model").num_features() == 4


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3)], ids=str)
def test_file_of_joblib_is_loaded_compressed_or_not(tmp_path: Path, compress: Any) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(ROWS, CLASSES)
    joblib.dump(model, tmp_path / "model.joblib", compress=compress)
    found = load_estimator(tmp_path / "model.joblib")
    np.testing.assert_array_equal(found.predict(ROWS), model.predict(ROWS))


def test_compression_that_is_not_installed_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(b"\x04\x22\x4d\x18" + bytes(40))
    with pytest.raises(UserError, match="LZ4 is not installed"):
        load_estimator(tmp_path / "model.joblib")


COMPOSED = [
    make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()),
    make_pipeline(FunctionTransformer(np.log1p), SVC()),
    make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1])]), IsolationForest()),
    GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="accuracy", cv=2),
    GridSearchCV(
        SVC(), {"C": [1]}, scoring=sklearn.metrics.make_scorer(sklearn.metrics.f1_score), cv=2
    ),
    make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=2)),
]


@pytest.mark.parametrize("model", COMPOSED, ids=range(len(COMPOSED)))
def test_composed_estimator_is_loaded(tmp_path: Path, model: Any) -> None:
    joblib.dump(model.fit(ROWS, CLASSES), tmp_path / "model.joblib")
    found = load_estimator(tmp_path / "model.joblib")
    np.testing.assert_array_equal(found.predict(ROWS), model.predict(ROWS))


GIVEN: dict[str, Any] = {
    "estimator": LogisticRegression(),
    "estimators": [("a", LogisticRegression()), ("b", LogisticRegression(C=2))],
    "steps": [("a", LogisticRegression())],
    "param_grid": {"C": [1, 2]},
    "param_distributions": {"C": [1, 2]},
}


def fitted(name: str, kind: Any) -> Any:
    """Fit an estimator of any kind; return the estimator and its rows."""
    given: dict[str, Any] = {}
    parameters = inspect.signature(kind.__init__).parameters.values()
    needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    given.update({name: GIVEN[name] for name in needed if name in GIVEN})
    regressor = name.endswith(("Regressor", "RegressorChain"))
    if regressor and "estimator" in given:
        given["estimator"] = LinearRegression()
    if regressor and "estimators" in given:
        given["estimators"] = [("a", LinearRegression())]
    if name == "SelfTrainingClassifier":
        given["estimator"] = LogisticRegression()
    if name in ("CCA", "PLSCanonical"):
        given["n_components"] = 1
    rows = ROWS[:, :1] if name == "IsotonicRegression" else ROWS
    several = name.startswith(("MultiTask", "MultiOutput", "ClassifierChain", "RegressorChain"))
    label = WIDER if several else CLASSES + (name == "GammaRegressor")
    return kind(**given).fit(rows, label), rows


def test_estimators_of_scikit_learn_are_loaded(tmp_path: Path) -> None:
    loaded, lost = [], {}
    for name, kind in all_estimators():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not hasattr(kind, "predict") and name != "Pipeline":
                continue
            try:
                model, rows = fitted(name, kind)
                expected = model.predict(rows)
            except (TypeError, ValueError, AttributeError):
                continue
            joblib.dump(model, tmp_path / "model.joblib")
            try:
                found: BaseEstimator = load_estimator(tmp_path / "model.joblib")
                np.testing.assert_allclose(found.predict(rows), expected, rtol=1e-6)
                loaded.append(name)
            except UserError as error:
                lost[name] = str(error)
    assert not lost
    print(len(loaded))
    assert len(loaded) > 95, loaded
