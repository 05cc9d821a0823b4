"""What a model may not do while it is loaded or predicts, whatever led to it."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingRegressor, StackingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tabular.algorithms.sklearn.checks import estimators
from tabular.algorithms.sklearn.model import load_estimator
from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor
from tabular.artifact.pickles.guard import ForbiddenActionError, guarded
from tabular.contract.errors import RequestError, UserError

ROWS = np.random.default_rng(0).random((40, 2))
FORBIDDEN: dict[str, Callable[[], object]] = {
    "a pickle": lambda: pickle.loads(pickle.dumps(Fraction(1, 2))),
    "a shell": lambda: os.system("true"),
    "a program": lambda: subprocess.run(["true"], check=True),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_action_is_forbidden_while_guarded_only(what: str) -> None:
    FORBIDDEN[what]()
    with pytest.raises(ForbiddenActionError, match="the model tried"), guarded():
        FORBIDDEN[what]()
    FORBIDDEN[what]()


def fitting_when_it_predicts(cache: Path, marker: Path) -> Pipeline:
    """Make a model that fits when it predicts, by a cache of pickles in which a program stands."""
    steps = [("a", StandardScaler()), ("b", KMeans(n_clusters=1, n_init=1, random_state=0))]
    grid = GridSearchCV(Pipeline(steps), {"memory": [str(cache)]}, cv=2, error_score="raise")
    grid.fit(ROWS[:4].copy())
    for output in cache.rglob("output.pkl"):
        output.write_bytes(pickle.dumps(Touch(marker)))
    linear = LinearRegression().fit(np.zeros((4, 1)), np.zeros(4))
    stack = StackingRegressor([("g", grid)], linear)
    stack.estimators_, stack.stack_method_ = [grid], ["fit"]
    stack.final_estimator_, stack.named_estimators_ = linear, {}
    constant = FunctionTransformer(np.positive, kw_args={"where": False, "out": ROWS[:4].copy()})
    constant.n_features_in_ = 2
    return Pipeline([("constant", constant), ("stack", stack)])


class Touch:
    """A pickle of it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self._path}",)


def test_model_whose_prediction_fits_is_refused(tmp_path: Path) -> None:
    joblib.dump(
        fitting_when_it_predicts(tmp_path / "cache", tmp_path / "ran"), tmp_path / "m.joblib"
    )
    with pytest.raises(UserError, match=r"StackingRegressor has stack_method_=\['fit'\]"):
        load_estimator(tmp_path / "m.joblib")


def test_cache_of_pickles_is_not_read_by_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitting_when_it_predicts(tmp_path / "cache", tmp_path / "ran")
    monkeypatch.setattr(estimators, "_changes_estimator", lambda method: False)
    joblib.dump(model, tmp_path / "m.joblib")
    with pytest.raises((RequestError, ForbiddenActionError, AttributeError)):
        EstimatorPredictor(load_estimator(tmp_path / "m.joblib")).predict(
            ROWS[:1].astype(np.float32)
        )
    assert not (tmp_path / "ran").exists()


ORDINARY = {
    "histogram boosting with categories": lambda: HistGradientBoostingRegressor(
        categorical_features=[0], max_iter=3
    ).fit(np.c_[np.arange(40) % 4, ROWS[:, 0]], ROWS[:, 1]),
    "columns by their type": lambda: make_pipeline(
        ColumnTransformer([("n", StandardScaler(), make_column_selector(dtype_include="number"))]),
        LinearRegression(),
    ).fit(pandas_frame(), ROWS[:, 1]),
    "imputation by models": lambda: make_pipeline(
        IterativeImputer(max_iter=2, random_state=0), LinearRegression()
    ).fit(np.where(ROWS > 0.9, np.nan, ROWS), ROWS[:, 1]),
}


def pandas_frame() -> object:
    import pandas

    return pandas.DataFrame(ROWS, columns=["a", "b"])


@pytest.mark.parametrize("form", ["joblib", "skops"])
@pytest.mark.parametrize("what", ORDINARY)
def test_ordinary_model_is_loaded(tmp_path: Path, what: str, form: str) -> None:
    import skops.io

    model = ORDINARY[what]()
    path = tmp_path / f"model.{form}"
    if form == "skops":
        skops.io.dump(model, path)
    else:
        joblib.dump(model, path)
    loaded = load_estimator(path)
    rows = pandas_frame() if hasattr(model, "feature_names_in_") else ROWS
    assert (loaded.predict(rows) == model.predict(rows)).all()
