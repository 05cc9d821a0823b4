from __future__ import annotations

from typing import Any

import pytest

from tabular.algorithms.xgboost.hyperparameters import Settings, validate
from tabular.algorithms.xgboost.hyperparameters.job import REMOVED
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.contract.errors import UserError


def check(**given: object) -> Settings:
    return validate({"num_round": 1, **given})


MULTI = {"objective": "multi:softprob", "num_class": 3}
LINEAR = {"booster": "gblinear"}
TREES_OF_CLASSES = {**MULTI, "multi_strategy": "multi_output_tree"}
# The messages have AWS's words, where AWS's container has the rule.
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"objective": "multi:softmax"},
        "^Require input for parameter 'num_class' for multi-classification",
    ),
    ({"objective": "multi:softprob"}, "Require input for parameter 'num_class'"),
    (
        {"num_class": 2},
        "^Do not need to setup parameter 'num_class' for learning task other than "
        "multi-classification: objective is reg:squarederror; leave it out",
    ),
    ({"objective": "binary:logistic", "num_class": 2}, "objective is binary:logistic"),
    (
        {"eval_metric": "auc"},
        "^Metric 'auc' can only be applied for classification and ranking problems.",
    ),
    (
        {"eval_metric": "aft-nloglik"},
        "^Metric 'aft-nloglik' can only be applied for 'survival:aft'",
    ),
    (
        {"eval_metric": "<function f at 0x7f>"},
        "^User defined evaluation metric .* not supported yet",
    ),
    ({"eval_metric": "rmse@1"}, "^Metric 'rmse@1' is not supported. Parameter 'eval_metric' with"),
    ({"eval_metric": "error@x"}, "^Threshold value 'x' in 'error@x' expects float input."),
    (
        {**LINEAR, "updater": "refresh"},
        "^Linear updater should be one of these options: 'shotgun', 'coord_descent'",
    ),
    ({**LINEAR, "updater": "shotgun,coord_descent"}, "^Linear updater should be one of these"),
    (
        {"process_type": "update", "updater": "grow_colmaker"},
        "^process_type 'update' can only be used with updater 'refresh' and 'prune'",
    ),
    ({"process_type": "update"}, "process_type: update needs the updater"),
    (
        {"updater": "shotgun"},
        "^Tree updater should be selected from these options: 'grow_colmaker'",
    ),
    ({"updater": "grow_colmaker,grow_histmaker"}, "^Only one tree grow plugin can be selected"),
    ({"updater": "prune"}, "'prune' only changes existing trees"),
    ({"updater": "sync,grow_histmaker"}, "'sync' only changes existing trees"),
    ({"tree_method": "exact", "max_depth": 0}, "tree_method exact does not support max_depth=0"),
    ({"updater": "grow_colmaker", "max_depth": 0}, "updater grow_colmaker does not support max_d"),
    ({"tree_method": "exact", "colsample_bynode": 0.5}, "does not support colsample_bynode below"),
    (
        {"tree_method": "exact", "sampling_method": "gradient_based", "subsample": 0.5},
        "support sampling_method=gradient",
    ),
    ({"tree_method": "exact", "enable_categorical": True}, "does not support enable_categorical"),
    ({"tree_method": "exact", "device": "cuda:1"}, "does not support a GPU"),
    ({**LINEAR, "enable_categorical": True}, "gblinear does not support enable_categorical=true"),
    ({**LINEAR, "feature_selector": "greedy"}, "greedy needs updater=coord_descent"),
    ({**LINEAR, "feature_selector": "random", "updater": "shotgun"}, "random needs updater=coord"),
    ({**TREES_OF_CLASSES, "booster": "dart"}, "multi_output_tree does not support booster=dart"),
    ({**TREES_OF_CLASSES, "tree_method": "approx"}, "does not support tree_method=approx"),
    ({**TREES_OF_CLASSES, "monotone_constraints": "(1,)"}, "not support monotone_constraints"),
    ({**TREES_OF_CLASSES, "interaction_constraints": "[[0]]"}, "support interaction_constraints"),
    ({**TREES_OF_CLASSES, "enable_categorical": True}, "not support enable_categorical=true"),
    ({"objective": "reg:quantileerror"}, "reg:quantileerror needs quantile_alpha"),
    ({"objective": "reg:quantileerror", "quantile_alpha": "[]"}, "needs quantile_alpha"),
    ({"objective": "binary:logistic", "base_score": 2}, r"base_score: 2 is not in \[0, 1\]"),
    ({"objective": "count:poisson", "base_score": -1}, r"base_score: -1 is not in \[0, \+inf\)"),
    ({"objective": "survival:cox", "base_score": 0}, r"base_score: 0 is not in \(0, \+inf\)"),
    ({"csv_weights": 1, "weight": "w"}, "csv_weights and weight both say where the weights are"),
    ({"target": "a", "weight": "a"}, "target and weight are both a; give each of them"),
    ({"target": "a", "group": "a"}, "target and group are both a"),
    ({"weight": "a", "features": "b,a"}, "features: column a is the weight too"),
    ({"features": "a,b", "feature_types": "q"}, "feature_types has 1 entries, features has 2"),
    ({"feature_types": "c", "enable_categorical": False}, "has a c, for a category"),
    (
        {"features": "age,size", "monotone_constraints": {"aeg": 1}},
        "monotone_constraints: aeg is not among the columns of features. Did you mean age",
    ),
    (
        {"features": "age,size", "interaction_constraints": [["age"], ["x"]]},
        "interaction_constraints: x is not among the columns of features",
    ),
    (
        {"early_stopping_rounds": 2, "disable_default_eval_metric": True},
        "early_stopping_rounds has no metric to watch",
    ),
    ({"tree_method": "gpu_hist", "device": "cpu"}, "tree_method gpu_hist needs a GPU"),
    ({"updater": "grow_gpu_hist", "device": "cpu"}, "updater grow_gpu_hist needs a GPU"),
]
TAKEN: list[dict[str, Any]] = [
    MULTI,
    {**MULTI, "eval_metric": "auc"},  # AWS's container refuses this; XGBoost supports it
    {"objective": "rank:ndcg", "eval_metric": "ndcg@5,ndcg@5-,map@3,pre@2"},
    {"monotone_constraints": "(1,0)"},  # AWS's container requires tree_method
    {"monotone_constraints": "(1,0)", "tree_method": "approx"},
    {"interaction_constraints": "[[0,1]]"},
    {**LINEAR, "updater": "coord_descent", "feature_selector": "thrifty", "top_k": 2},
    {**LINEAR, "feature_selector": "shuffle"},
    {"process_type": "update", "updater": "refresh,prune"},
    {"updater": "grow_histmaker,prune,sync"},
    {**LINEAR, "tree_method": "exact", "max_depth": 0},
    {"tree_method": "exact", "sampling_method": "gradient_based"},
    {**TREES_OF_CLASSES, "tree_method": "hist"},
    {"base_score": -1},
    {"objective": "binary:logistic", "base_score": 0.5},
    {"disable_default_eval_metric": True, "eval_metric": "rmse", "early_stopping_rounds": 2},
    {"features": "a,b", "feature_types": "q,c", "monotone_constraints": {"a": 1}},
    {"monotone_constraints": {"a": 1}},
    {"device": "cpu", "use_dask_gpu_training": "true"},
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_invalid_combination_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        check(**given)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1024


@pytest.mark.parametrize("given", TAKEN)
def test_valid_combination_is_accepted(given: dict[str, Any]) -> None:
    check(**given)


def test_category_type_enables_categories() -> None:
    assert check(feature_types="q,c").layout.categorical
    assert not check(feature_types="q,int").layout.categorical


# What XGBoost 3 no longer has


@pytest.mark.parametrize("row", REMOVED, ids=lambda row: row.name)
def test_removed_hyperparameter_is_ignored_with_a_warning(
    row: Any, caplog: pytest.LogCaptureFixture
) -> None:
    value = row.choices[-1] if row.choices else 2 if row.kind == "integer" else 0.5
    assert check(**{row.name: value}) == check()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert row.name in caplog.text


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ({"tree_method": "gpu_hist"}, {"tree_method": "hist", "device": "cuda"}),
        (
            {"tree_method": "gpu_hist", "device": "cuda:1"},
            {"tree_method": "hist", "device": "cuda:1"},
        ),
        ({"objective": "reg:linear"}, {"objective": "reg:squarederror"}),
        ({"objective": "aft_loss_distribution"}, {"objective": "survival:aft"}),
        ({"updater": "distcol"}, {}),
        ({"updater": "grow_skmaker,prune"}, {}),
        ({"updater": "grow_histmaker,distcol,prune"}, {"updater": "grow_histmaker,prune"}),
        ({"use_dask_gpu_training": "true"}, {"device": "cuda"}),
        ({"use_dask_gpu_training": "true", "device": "cpu"}, {"device": "cpu"}),
    ],
)
def test_removed_value_is_translated_with_a_warning(
    given: dict[str, Any], params: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    settings = check(**given)
    assert settings.params == params
    assert settings.device == params.get("device", "cpu")
    assert settings.objective == params.get("objective", "reg:squarederror")
    assert settings.objective in OBJECTIVES
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert all(name in caplog.text for name in given if name != "device")


def test_one_warning_names_all_removed_hyperparameters(caplog: pytest.LogCaptureFixture) -> None:
    check(predictor="gpu_predictor", sketch_eps=0.1, tree_method="gpu_hist", objective="reg:linear")
    assert len(caplog.records) == 1
    for name in ("predictor", "sketch_eps", "gpu_hist", "reg:linear"):
        assert name in caplog.text


@pytest.mark.parametrize("updater", ["grow_gpu_hist", "grow_gpu_approx"])
def test_gpu_updater_sets_the_device(updater: str, caplog: pytest.LogCaptureFixture) -> None:
    assert check(updater=updater).device == "cuda"
    assert not caplog.records


# Settings that read the values of the features


@pytest.mark.parametrize(
    ("given", "raw"),
    [
        ({}, False),
        ({"tree_method": "hist"}, False),
        ({"tree_method": "gpu_hist"}, False),
        ({"booster": "dart"}, False),
        ({"tree_method": "exact"}, True),
        ({"tree_method": "approx"}, True),
        ({"booster": "gblinear"}, True),
        ({"process_type": "update", "updater": "prune"}, True),
        ({"updater": "grow_colmaker"}, True),
        ({"updater": "grow_histmaker,prune"}, True),
        ({"updater": "grow_gpu_approx"}, True),
        ({"updater": "grow_quantile_histmaker,prune,sync"}, False),
        ({"updater": "grow_quantile_histmaker,refresh"}, True),
        ({"updater": "grow_gpu_hist"}, False),
        ({"updater": "grow_quantile_histmaker", "tree_method": "exact"}, False),
    ],
)
def test_raw_values_are_needed_by(given: dict[str, Any], raw: bool) -> None:
    assert check(**given).needs_raw_values is raw
