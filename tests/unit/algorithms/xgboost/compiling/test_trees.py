from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular.algorithms.xgboost.compiling import trees
from tabular.algorithms.xgboost.compiling.trees import NotCompilableError, compile_booster
from tabular.algorithms.xgboost.margins import Margins
from tabular.algorithms.xgboost.objective import Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES

Floats = npt.NDArray[np.float32]

DRAW = np.random.default_rng(0)
ROWS = DRAW.normal(size=(300, 6)).astype(np.float32)
ROWS[DRAW.random(ROWS.shape) < 0.1] = np.nan
NUMERIC: tuple[int, ...] = ()
LAST = (5,)


def label_of(objective: str, rows: int) -> Floats:
    if objective.startswith("multi:"):
        return DRAW.integers(0, 4, rows).astype(np.float32)
    if objective.startswith(("binary:", "rank:")):
        return DRAW.integers(0, 2, rows).astype(np.float32)
    return DRAW.uniform(0.1, 1, rows).astype(np.float32)


def fit(
    params: Mapping[str, Any],
    rows: Floats = ROWS,
    categorical: tuple[int, ...] = NUMERIC,
    label: Any = None,
    rounds: int = 6,
) -> xgboost.Booster:
    objective = params.get("objective", "reg:squarederror")
    params = {"nthread": 1, "max_depth": 4, **params}
    if objective.startswith("multi:"):
        params["num_class"] = 4
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = [0.1, 0.5, 0.9]
    label = label_of(objective, len(rows)) if label is None else label
    kinds = ["c" if column in categorical else "q" for column in range(rows.shape[1])]
    matrix = xgboost.DMatrix(rows, label, feature_types=kinds, enable_categorical=True, nthread=1)
    if objective.startswith("rank:"):
        matrix.set_group([10] * (len(rows) // 10))
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", label)
        matrix.set_float_info("label_upper_bound", label + 1)
    return xgboost.train(params, matrix, rounds)


def hard(rows: Floats, categorical: tuple[int, ...]) -> Floats:
    """Make rows that a wrong compiled model could score differently."""
    rows = rows.copy()
    for place, value in enumerate((np.inf, -np.inf, np.nan, 3.4e38, 1e-45, -0.0)):
        rows[place] = value
    for column in categorical:
        rows[6:16, column] = [-1, -0.5, 0.5, 7, 99, 100, 1e9, -1e9, 3.7, np.nan]
    return rows


def assert_agrees(
    booster: xgboost.Booster, rows: Floats = ROWS, categorical: tuple[int, ...] = NUMERIC
) -> None:
    objective = OBJECTIVES[json.loads(booster.save_config())["learner"]["objective"]["name"]]
    rows = hard(rows, categorical)
    margins = Margins(compile_booster(booster), np.array(categorical, np.int64))(rows)
    native = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    native = native.reshape(len(rows), -1)
    np.testing.assert_allclose(margins, native, rtol=1e-5, atol=1e-5)
    scores = booster.inplace_predict(rows, validate_features=False)
    classes = objective.predicts is Predicts.CLASSES
    mine = objective.link.scores(native if classes else margins)
    assert mine.shape == scores.shape
    np.testing.assert_allclose(mine, scores, rtol=1e-5, atol=1e-5)


def with_categories(count: int) -> Floats:
    rows = ROWS.copy()
    rows[:, 5] = DRAW.integers(0, count, len(rows))
    return rows


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_scores_of_each_objective_equal_xgboosts(objective: str, booster: str) -> None:
    params = {"objective": objective, "booster": booster}
    if booster == "dart":
        params["rate_drop"] = 0.4
    assert_agrees(fit(params))
    rows = with_categories(9)
    assert_agrees(fit(params, rows, LAST), rows, LAST)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_given_base_score_is_compiled(objective: str) -> None:
    base = 0.3 if "logi" in objective or objective.startswith("binary:") else 1.7
    assert_agrees(fit({"objective": objective, "base_score": base}))


@pytest.mark.parametrize(
    "params",
    [
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0},
        {"tree_method": "exact", "gamma": 2.0},
        {"tree_method": "approx", "gamma": 0.5},
        {"tree_method": "hist", "gamma": 5.0, "max_depth": 8},
        {"gamma": 1e9},
        {"max_bin": 2},
        {"booster": "dart", "rate_drop": 1.0, "normalize_type": "forest"},
        {"booster": "dart", "one_drop": 1, "num_parallel_tree": 2},
        {"monotone_constraints": "(1,-1,0,0,0,0)"},
        {"eta": 100.0},
        {"eta": 1e-30},
    ],
    ids=str,
)
@pytest.mark.parametrize("objective", ["reg:squarederror", "multi:softprob"])
def test_scores_equal_xgboosts_however_trees_are_grown(
    params: dict[str, Any], objective: str
) -> None:
    assert_agrees(fit({"objective": objective, **params}))


@pytest.mark.parametrize("count", [2, 5, 63, 64, 65, 200])
@pytest.mark.parametrize("one_hot", [1, 4, 1000])
def test_scores_with_categories_equal_xgboosts(count: int, one_hot: int) -> None:
    rows = with_categories(count)
    label = (rows[:, 5] * 7919 % 13).astype(np.float32)
    model = fit({"max_cat_to_onehot": one_hot, "max_cat_threshold": 256}, rows, LAST, label)
    assert model.get_score()["f5"] > 0
    assert_agrees(model, rows, LAST)
    assert_agrees(model, hard(with_categories(count + 3), LAST), LAST)


def test_split_of_too_many_categories_is_refused() -> None:
    rows = np.zeros((3000, 1), np.float32)
    rows[:, 0] = np.arange(3000) % 1500
    label = (rows[:, 0] * 7919 % 13).astype(np.float32)
    model = fit({"max_cat_threshold": 1000, "max_bin": 2048}, rows, (0,), label, rounds=1)
    with pytest.raises(NotCompilableError, match=r"a split has \d+ categories, more than 256"):
        compile_booster(model)


def test_several_targets_have_a_score_each() -> None:
    assert_agrees(fit({}, label=np.stack([label_of("", 300)] * 2, axis=1) * [1, -2]))


def test_model_without_a_split_is_its_base_score() -> None:
    assert_agrees(fit({}, label=np.full(300, 0.5, np.float32)))


def test_model_of_one_feature_is_scored() -> None:
    assert_agrees(fit({}, ROWS[:, :1]), ROWS[:, :1])


def test_model_of_many_features_is_scored() -> None:
    rows = np.tile(ROWS, (1, 834))[:60, :5000]
    assert_agrees(fit({"colsample_bytree": 0.01}, rows), rows)


def test_model_of_sparse_rows_is_scored() -> None:
    rows = np.where(DRAW.random(ROWS.shape) < 0.8, np.nan, ROWS).astype(np.float32)
    assert_agrees(fit({}, rows), rows)


def test_model_cut_back_to_its_best_round_is_scored() -> None:
    assert_agrees(fit({}, rounds=9)[:3])


def test_rows_of_any_memory_order_are_scored() -> None:
    model = fit({})
    margins = Margins(compile_booster(model), np.array([], np.int64))
    expected = margins(ROWS)
    np.testing.assert_array_equal(margins(np.asfortranarray(ROWS)), expected)
    np.testing.assert_array_equal(margins(ROWS[::2]), expected[::2])
    assert margins(ROWS[:0]).shape == (0, 1)


def test_rows_of_the_caller_are_not_changed() -> None:
    rows = with_categories(5) + np.float32(0.5)
    before = rows.copy()
    Margins(compile_booster(fit({}, with_categories(5), LAST)), np.array(LAST, np.int64))(rows)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"booster": "gblinear"}, "gblinear has no trees"),
        ({"multi_strategy": "multi_output_tree"}, "its leaves are vectors"),
    ],
)
def test_model_that_onnx_can_not_represent_is_refused(params: dict[str, Any], reason: str) -> None:
    label = np.stack([label_of("", 300)] * 2, axis=1) if "multi_strategy" in params else None
    with pytest.raises(NotCompilableError, match=reason):
        compile_booster(fit(params, label=label))


def test_objective_without_a_link_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "OBJECTIVES", {})
    with pytest.raises(NotCompilableError, match="reg:squarederror has no known link"):
        compile_booster(fit({}))


def test_model_without_rounds_is_refused() -> None:
    with pytest.raises(NotCompilableError, match="it has no trees"):
        compile_booster(fit({}, rounds=0))


def test_model_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_NODES", 50)
    with pytest.raises(NotCompilableError, match="more than 50 nodes"):
        compile_booster(fit({}))


@settings(max_examples=25)
@given(
    objective=st.sampled_from(sorted(OBJECTIVES)),
    booster=st.sampled_from(["gbtree", "dart"]),
    seed=st.integers(0, 1000),
    depth=st.integers(1, 7),
    columns=st.integers(1, 6),
    categories=st.integers(2, 90),
    missing=st.sampled_from([0.0, 0.5]),
    parallel=st.integers(1, 3),
)
def test_scores_of_random_models_equal_xgboosts(
    objective: str,
    booster: str,
    seed: int,
    depth: int,
    columns: int,
    categories: int,
    missing: float,
    parallel: int,
) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(100, columns)).astype(np.float32)
    rows[:, -1] = draw.integers(0, categories, 100)
    rows[draw.random(rows.shape) < missing] = np.nan
    categorical = (columns - 1,)
    params = {
        "objective": objective,
        "booster": booster,
        "max_depth": depth,
        "num_parallel_tree": parallel,
        "seed": seed,
        "min_child_weight": 0,
    }
    assert_agrees(fit(params, rows, categorical, rounds=3), rows, categorical)
