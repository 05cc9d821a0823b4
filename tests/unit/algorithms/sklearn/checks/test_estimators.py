from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from tabular.algorithms.sklearn.model import load_estimator
from tabular.contract.errors import UserError

DRAW = np.random.default_rng(0)
ROWS = np.abs(DRAW.normal(size=(60, 4)))
CLASSES = (ROWS[:, 0] > 0.7).astype(int)
FUZZER = Path(__file__).parents[4] / "fuzz" / "pickles.py"


def tree(field: str, place: int, value: int) -> Any:
    model = DecisionTreeClassifier().fit(ROWS, CLASSES)
    make, arguments, state = model.tree_.__reduce__()
    nodes = state["nodes"].copy()
    nodes[field][place] = value
    model.tree_ = make(*arguments)
    model.tree_.__setstate__({**state, "nodes": nodes})
    return model


def forest() -> Any:
    model = RandomForestClassifier(3).fit(ROWS, CLASSES)
    model.estimators_[1] = tree("right_child", 0, 0)
    return model


def histogram(field: str, value: int) -> Any:
    model = HistGradientBoostingClassifier(max_iter=2).fit(ROWS, CLASSES)
    model._predictors[0][0].nodes[field][0] = value
    return model


def neighbors(place: int, change: Callable[[Any], Any]) -> Any:
    model = KNeighborsClassifier(algorithm="kd_tree", leaf_size=5).fit(ROWS, CLASSES)
    make, arguments, state = model._tree.__reduce__()
    model._tree = make(*arguments)
    model._tree.__setstate__((*state[:place], change(state[place]), *state[place + 1 :]))
    return model


def with_(model: Any, rows: Any = ROWS, **attributes: Any) -> Any:
    fitted = model.fit(rows, CLASSES)
    for name, value in attributes.items():
        setattr(fitted, name, value(getattr(fitted, name)) if callable(value) else value)
    return fitted


def first(value: int, field: str = "", place: int = 0) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        changed = array.copy()
        (changed[field] if field else changed)[place] = value
        return changed

    return change


def sparse_rows() -> Any:
    model = KNeighborsClassifier(algorithm="brute").fit(scipy.sparse.csr_matrix(ROWS), CLASSES)
    model._fit_X.indices[0] = 10**6
    return model


def hidden() -> Any:
    model = LinearRegression().fit(ROWS, CLASSES)
    model.predict = np.log1p
    return model


def vectorizer() -> Any:
    model = CountVectorizer(input="filename")
    model.vocabulary_ = {"a": 0}
    return model


def three_classes() -> Any:
    model = GradientBoostingClassifier(n_estimators=2).fit(ROWS, np.arange(60) % 3)
    model.init_, model.n_trees_per_iteration_ = "zero", 1
    return model


UNSOUND: dict[str, Callable[[], Any]] = {
    "tree with a cycle": lambda: tree("left_child", 0, 0),
    "tree with a child out of range": lambda: tree("left_child", 0, 10**9),
    "tree with a column out of range": lambda: tree("feature", 0, 10**6),
    "tree of other width": lambda: with_(
        DecisionTreeClassifier(), np.c_[ROWS, ROWS], n_features_in_=4
    ),
    "forest with a cycle": forest,
    "histogram with a cycle": lambda: histogram("left", 0),
    "histogram with a column out of range": lambda: histogram("feature_idx", 99),
    "neighbors out of range": lambda: neighbors(1, first(10**9)),
    "neighbors' node out of range": lambda: neighbors(2, first(10**9, "idx_end")),
    "neighbors' leaf with children": lambda: neighbors(2, first(0, "is_leaf", -1)),
    "neighbors with more nodes": lambda: neighbors(6, lambda count: count + 5),
    "labels out of range": lambda: with_(
        KNeighborsClassifier(algorithm="brute"), _y=lambda labels: labels + 10**6
    ),
    "sparse rows out of range": sparse_rows,
    "support vectors cut off": lambda: with_(SVC(), _dual_coef_=lambda c: c[:, :3]),
    "more support vectors": lambda: with_(SVC(), _n_support=np.array([10**6, 3], np.int32)),
    "kernel out of range": lambda: with_(
        SVC(kernel="precomputed"), ROWS @ ROWS.T, support_=lambda s: s + 10**6
    ),
    "clusters cut off": lambda: with_(KMeans(2), cluster_centers_=lambda c: c[:, :1].copy()),
    "boosting of other width": three_classes,
    "hidden method": hidden,
    "vectorizer of files": vectorizer,
}


@pytest.mark.parametrize("name", UNSOUND)
def test_estimator_as_no_fitting_leaves_it_is_refused(tmp_path: Path, name: str) -> None:
    joblib.dump(UNSOUND[name](), tmp_path / "model.joblib")
    with pytest.raises(UserError, match=r"does not produce this|must be <|hides|input="):
        load_estimator(tmp_path / "model.joblib")


def test_caches_and_processes_are_turned_off(tmp_path: Path) -> None:
    steps = (StandardScaler(), RandomForestClassifier(3, n_jobs=2))
    model = make_pipeline(*steps, memory=str(tmp_path / "cache")).fit(ROWS, CLASSES)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    found: Any = load_estimator(tmp_path / "model.pkl")
    assert (found.memory, found.steps[1][1].n_jobs) == (None, 1)
    np.testing.assert_array_equal(found.predict(ROWS), model.predict(ROWS))


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


OBJECTS = name("numpy", "dtype") + b"(X\x02\x00\x00\x00O8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNN"
STEPS = {
    "array of addresses": name("numpy._core.numeric", "_frombuffer")
    + b"(C\x08AAAAAAAA"
    + OBJECTS
    + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb(K\x01tX\x01\x00\x00\x00CtR",
    "state of a function": name("numpy._core.numeric", "_frombuffer")
    + b"N}X\x0c\x00\x00\x00__defaults__)s\x86b",
    "state of a class": name("sklearn.svm._classes", "SVC") + b"N}X\x07\x00\x00\x00predictNs\x86b",
    "call of a class": name("sklearn.svm._classes", "SVC") + b")R",
    "call of a score": name("sklearn.feature_selection._univariate_selection", "chi2") + b")R",
    "call of a ufunc": name("numpy", "log1p") + b"K\x01\x85R",
    "object of protocol 1": b"(" + name("sklearn.svm._classes", "SVC") + b"o",
    "function of scikit-learn": name("sklearn.calibration", "_fit_calibrator") + b")R",
    "hidden dtype": name("numpy", "dtype") + b"X\x05\x00\x00\x00O8,f8\x85R",
    "large bytearray": name("builtins", "bytearray") + b"J\xff\xff\xff\x7f\x85R",
    "dunder attribute": name("sklearn.svm._classes", "SVC")
    + b")\x81}X\x09\x00\x00\x00__class__K\x01sb",
}


@pytest.mark.parametrize("case", STEPS)
def test_step_that_no_pickler_writes_is_refused(tmp_path: Path, case: str) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + STEPS[case] + b".")
    with pytest.raises(UserError, match=r"Forbidden(Step|Name)Error"):
        load_estimator(tmp_path / "model.pkl")


def test_random_chains_of_all_names_run_nothing() -> None:
    command = [sys.executable, str(FUZZER), "--runs", "2000", "--seed", "1"]
    end = subprocess.run(command, capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
