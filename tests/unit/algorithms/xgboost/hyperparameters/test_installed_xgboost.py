"""The installed XGBoost accepts and uses every hyperparameter of the table."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.hyperparameters import HYPERPARAMETERS, Settings, validate
from tabular.algorithms.xgboost.hyperparameters.trees import REMOVED_GROWERS
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import decode
from tabular.training.hyperparameters.kinds import Hyperparameter

DRAW = np.random.default_rng(0)
FEATURES = DRAW.integers(0, 4, size=(60, 4)).astype(np.float32)
LABEL = DRAW.integers(0, 2, size=60).astype(np.float32)
NAMES = ["a", "b", "c", "d"]
# Valid values of hyperparameters whose default and choices name none.
LEGAL: dict[str, list[object]] = {
    "eta": [0, 0.3, 1],
    "lambda": [1],
    "max_delta_step": [0.7],
    "nthread": [1],
    "base_score": [0, 0.5, -3],
    "num_class": [2],
    "eval_metric": ["rmse,mae", "pre@2", "mape"],
    "monotone_constraints": ["(1,0,-1,0)", {"a": 1}],
    "interaction_constraints": ["[[0,1],[2,3]]", [["a", "b"], ["c"]]],
    "quantile_alpha": [0.5, [0.1, 0.9], 0, 1],
    "lambdarank_num_pair_per_sample": [1, 8],
    "max_cached_hist_node": [1],
    "seed": [-5, 0],
    "device": ["cpu", "cuda", "gpu"],  # without a GPU XGBoost trains on the processor
    "multi_strategy": ["one_output_per_tree", "multi_output_tree"],
    # With a value that silences XGBoost, this test would always pass.
    "verbosity": [1, 2],
    "validate_parameters": ["true"],
}
REQUIRED: dict[object, dict[str, object]] = {
    "shotgun": {"booster": "gblinear"},
    "coord_descent": {"booster": "gblinear"},
    "prune": {"process_type": "update"},
    "refresh": {"process_type": "update"},
    "update": {"updater": "refresh"},
    "sync": {},
    "random": {"updater": "coord_descent"},
    "greedy": {"updater": "coord_descent"},
    "thrifty": {"updater": "coord_descent"},
    "multi_output_tree": {"objective": "multi:softprob"},
    "reg:quantileerror": {"quantile_alpha": 0.5},
    "pre@2": {"objective": "rank:ndcg"},
}
# The CPU build does not have these updaters; sync alone builds no tree.
NOT_HERE = ("grow_gpu_hist", "grow_gpu_approx", "sync", *REMOVED_GROWERS)


def values_of(row: Hyperparameter) -> list[object]:
    if row.name in LEGAL:
        return LEGAL[row.name]
    if row.kind == "switch":
        return ["true", "false"]
    return list(row.choices) or [row.default]


CASES = [
    (row, value)
    for row in HYPERPARAMETERS
    if row.passed
    for value in values_of(row)
    if value not in NOT_HERE
]


def matrix(settings: Settings) -> xgboost.DMatrix:
    options: dict[str, Any] = {"feature_names": NAMES}
    if settings.layout.categorical:
        options |= {"feature_types": ["c", "q", "q", "q"], "enable_categorical": True}
    label = LABEL + 1 if settings.objective == "reg:gamma" else LABEL
    if settings.objective.startswith("rank:"):
        options["qid"] = np.arange(60) // 10
    if settings.objective == "survival:aft":
        options |= {"label_lower_bound": label + 1, "label_upper_bound": label + 1}
    kind = xgboost.DMatrix if settings.needs_raw_values else xgboost.QuantileDMatrix
    return kind(FEATURES, label, **options)


def train(settings: Settings) -> tuple[xgboost.Booster, list[str]]:
    data = matrix(settings)
    update = settings.params.get("process_type") == "update"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        booster = xgboost.train(
            {"validate_parameters": True, **settings.params},
            data,
            1,
            evals=[(data, "train")],
            verbose_eval=False,
            xgb_model=xgboost.train({}, data, 1) if update else None,
        )
    return booster, [str(warning.message) for warning in caught]


@pytest.mark.parametrize(("row", "value"), CASES)
def test_xgboost_accepts_and_uses_the_value(row: Hyperparameter, value: Any) -> None:
    required = REQUIRED.get(value, {}) if isinstance(value, str) else {}
    given: dict[str, Any] = {**row.used_with, **required, row.name: value, "num_round": 1}
    if str(given.get("objective", "")).startswith("multi:"):
        given.setdefault("num_class", 2)
    settings = validate({name: decode(item) for name, item in given.items()})
    _, warned = train(settings)
    assert not [text for text in warned if "not used" in text]


@pytest.mark.parametrize(
    "given",
    [
        {"tree_method": "exact", "max_depth": 0},
        {"tree_method": "exact", "colsample_bynode": 0.5},
        {"tree_method": "exact", "sampling_method": "gradient_based", "subsample": 0.5},
        {"tree_method": "exact", "enable_categorical": True},
        {"booster": "gblinear", "enable_categorical": True},
        {"booster": "gblinear", "feature_selector": "random"},
        {"booster": "gblinear", "feature_selector": "greedy"},
        {"booster": "gblinear", "feature_selector": "thrifty"},
        {"multi_strategy": "multi_output_tree", "booster": "dart"},
        {"multi_strategy": "multi_output_tree", "tree_method": "approx"},
        {"multi_strategy": "multi_output_tree", "monotone_constraints": "(1,0,0,0)"},
        {"multi_strategy": "multi_output_tree", "interaction_constraints": "[[0,1]]"},
        {"multi_strategy": "multi_output_tree", "enable_categorical": True},
        {"process_type": "update"},
        {"updater": "prune,grow_colmaker"},
        {"objective": "reg:quantileerror"},
        {"objective": "binary:logistic", "num_class": 2},
        {"objective": "binary:logistic", "base_score": 2},
        {"max_bin": 1},
        {"max_depth": 2**31},
        {"lambda": 1e39},
        {"lambda": 1.1e-38},
    ],
)
def test_xgboost_can_not_train_refused_combinations(given: dict[str, Any]) -> None:
    if "multi_strategy" in given:
        given = {**given, "objective": "multi:softprob", "num_class": 2}
    with pytest.raises(UserError):
        validate({"num_round": 1, **given})
    categories = {"enable_categorical": True, "feature_types": ["c", "q", "q", "q"]}
    raw = dict(given)
    options = categories if raw.pop("enable_categorical", False) else {}
    data = xgboost.DMatrix(FEATURES, LABEL, **options)
    with pytest.raises((xgboost.core.XGBoostError, ValueError)):
        xgboost.train(raw, data, 1, evals=[(data, "train")], verbose_eval=False)
