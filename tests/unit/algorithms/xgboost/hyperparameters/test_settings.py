from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.hyperparameters import (
    HYPERPARAMETERS,
    NAMES,
    Settings,
    validate,
)
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.contract.errors import UserError
from tabular.data.layout import Layout
from tabular.training.hyperparameters.kinds import Hyperparameter


def check(**given: object) -> Settings:
    return validate({"num_round": 1, **given})


def test_only_num_round_is_required() -> None:
    assert check() == Settings(params={}, num_round=1)


def test_settings_of_this_package_are_not_passed_to_xgboost() -> None:
    settings = check(
        early_stopping_rounds=2,
        csv_weights=1,
        save_model_on_termination="true",
        _kfold=3,
        _num_cv_round="2",
        target="y",
        group="q",
        features="a,b",
        feature_types='["q", "int"]',
        enable_categorical="true",
        checkpoint_interval=5,
        cluster_timeout=60,
    )
    assert settings == Settings(
        params={},
        num_round=1,
        early_stopping_rounds=2,
        save_model_on_termination="true",
        kfold=3,
        num_cv_round=2,
        layout=Layout(
            weights=True,
            target="y",
            group="q",
            features=("a", "b"),
            feature_types=("q", "int"),
            categorical=True,
        ),
        checkpoint_interval=5,
        cluster_timeout=60,
    )


@pytest.mark.parametrize(
    ("alias", "row"), [(alias, row) for row in HYPERPARAMETERS for alias in row.aliases]
)
def test_alias_is_passed_with_the_main_name(alias: str, row: Hyperparameter) -> None:
    assert check(**{alias: 1}).params == {row.name: 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for row in HYPERPARAMETERS for pair in permutations((row.name, *row.aliases), 2)],
)
def test_name_and_alias_together_are_refused(first: str, second: str) -> None:
    row = NAMES[first]
    words = f"{row.name} is given twice, as {row.name} and {row.aliases[0]}; give it once"
    with pytest.raises(UserError, match=words):
        check(**{first: 1, second: 1})


@pytest.mark.parametrize("value", [None, ""])
def test_empty_value_counts_as_not_given(value: object) -> None:
    assert check(eta=value).params == {}


@pytest.mark.parametrize("given", [{}, {"num_round": None}])
def test_missing_rounds_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"^Missing required hyperparameter: num_round$"):
        validate(given)


def test_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(
        UserError, match=r"^Extraneous hyperparameter found: max_dept\. Did you mean max_depth\?"
    ):
        check(max_dept=1)


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        ("num_round", 0, r"Hyperparameter num_round: 0 is not in \[1, \+inf\)$"),
        (
            "csv_weights",
            "x",
            r"Hyperparameter csv_weights: could not parse value \(caused by ValueError\)",
        ),
        ("eta", "1.5", r"Hyperparameter eta: 1\.5 is not in \[0, 1\]$"),
        ("updater", "pre", r"Hyperparameter updater: value \['pre'\] not in range \[grow_colmaker"),
        (
            "monotone_constraints",
            "(2,)",
            r"monotone_constraints: value 2 not in range \[-1, 0, 1\]",
        ),
        ("interaction_constraints", "[[-1]]", r"constraints: -1 is not in \[0, \+inf\)"),
        ("eval_metric", "loglos", r"Hyperparameter eval_metric: value \['loglos'\] not in range"),
        ("zzz", 1, "Extraneous hyperparameter found: zzz"),
    ],
)
def test_refusal_begins_with_the_words_of_aws(row: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(**{row: value})


def test_unknown_metric_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"Did you mean logloss\?"):
        check(eval_metric="loglos")


def test_metric_of_the_tuner_is_evaluated_and_used_for_early_stopping() -> None:
    settings = check(
        objective="binary:logistic",
        eval_metric="logloss",
        _tuning_objective_metric="validation:auc:1",
    )
    assert settings.params["eval_metric"] == ["auc", "logloss"]
    assert settings.stopping_metric == "auc"


def test_last_metric_is_used_for_early_stopping_without_a_tuner() -> None:
    settings = check(objective="binary:logistic", eval_metric="auc,logloss")
    assert settings.stopping_metric == "logloss"
    assert check().stopping_metric is None


def test_unknown_metric_of_the_tuner_is_refused() -> None:
    with pytest.raises(UserError, match=r"_tuning_objective_metric: validation:aux .* mean auc\?"):
        check(objective="binary:logistic", _tuning_objective_metric="validation:aux")


def test_unknown_metric_name_of_a_tuner_is_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert check(_tuning_objective_metric="my loss").eval_metric == ()
    assert "'my loss' is no metric of this container" in caplog.text


# Anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)
LIKELY = st.sampled_from(
    [choice for row in HYPERPARAMETERS for choice in row.choices]
    + [
        *OBJECTIVES,
        "(1,0)",
        "[[0,1]]",
        {"a": 1},
        "a,b",
        0,
        1,
        2,
        0.5,
        True,
        "auc",
        "validation:auc",
    ]
)


@given(
    st.dictionaries(st.sampled_from(list(NAMES)) | st.text(), JSON | LIKELY, max_size=6),
    st.booleans(),
)
def test_any_input_raises_only_user_errors(given: dict[str, Any], round_: bool) -> None:
    if round_:
        given["num_round"] = 1
    try:
        settings = validate(given)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any other exception fails the test
        assert len(str(error)) <= 1024  # noqa: PT017
    else:
        assert settings.needs_raw_values in (True, False)
