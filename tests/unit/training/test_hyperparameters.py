from __future__ import annotations

from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import decode
from tabular.training.hyperparameters import (
    HYPERPARAMETERS,
    NAMES,
    OBJECTIVES,
    Settings,
    validate,
)
from tabular.training.kinds import Hyperparameter, Interval

NUMBERS = [row for row in HYPERPARAMETERS if row.kind in ("integer", "float")]
CATEGORIES = [row for row in HYPERPARAMETERS if row.kind == "category"]
BOUNDED = [row for row in NUMBERS if row.interval is not None]


def name(row: Hyperparameter) -> str:
    return row.name


def check(**given: object) -> Settings:
    return validate({"num_round": 1, **given})


def step(row: Hyperparameter, number: float, towards: float) -> float:
    if row.kind == "integer":
        return number + (1 if towards > number else -1)
    return nextafter(number, towards)


def accepts(row: Hyperparameter, value: object) -> bool:
    try:
        row.parse(value)
    except UserError:
        return False
    return True


# Intervals


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(1), "[1, +inf)"),
        (Interval(0, low_open=True), "(0, +inf)"),
        (Interval(0, 1, high_open=False), "[0, 1]"),
        (Interval(0, 1, low_open=True, high_open=False), "(0, 1]"),
        (Interval(), "[-inf, +inf)"),
        (Interval(0.5, 2), "[0.5, 2)"),
        (Interval(-(2**31), 2**31 - 1, low_open=True), "(-2147483648, 2147483647)"),
    ],
)
def test_interval_is_written_as_mathematicians_do(interval: Interval, text: str) -> None:
    assert str(interval) == text


@given(st.floats(-5, 5), st.booleans(), st.booleans())
def test_number_strictly_inside_is_a_member(number: float, low_open: bool, high_open: bool) -> None:
    assert number in Interval(-6, 6, low_open, high_open)


@given(st.floats(5, exclude_min=True), st.booleans(), st.booleans())
def test_number_strictly_outside_is_no_member(number: float, low: bool, high: bool) -> None:
    assert number not in Interval(-5, 5, low, high)
    assert -number not in Interval(-5, 5, low, high)


@pytest.mark.parametrize("open_", [True, False])
def test_low_end_is_a_member_unless_open(open_: bool) -> None:
    assert (0 in Interval(0, 1, low_open=open_)) is not open_


@pytest.mark.parametrize("open_", [True, False])
def test_high_end_is_a_member_unless_open(open_: bool) -> None:
    assert (1 in Interval(0, 1, high_open=open_)) is not open_


# Rows


@pytest.mark.parametrize("row", BOUNDED, ids=name)
def test_low_end_of_a_row_is_as_declared(row: Hyperparameter) -> None:
    assert row.interval is not None
    assert accepts(row, row.interval.low) is not row.interval.low_open


@pytest.mark.parametrize("row", BOUNDED, ids=name)
def test_number_below_the_low_end_is_refused(row: Hyperparameter) -> None:
    assert row.interval is not None
    assert not accepts(row, step(row, row.interval.low, -inf))


@pytest.mark.parametrize("row", BOUNDED, ids=name)
def test_number_above_the_low_end_is_accepted(row: Hyperparameter) -> None:
    assert row.interval is not None
    assert accepts(row, step(row, row.interval.low, inf))


@pytest.mark.parametrize(
    "row", [row for row in BOUNDED if row.interval and row.interval.high < inf], ids=name
)
def test_high_end_of_a_row_is_as_declared(row: Hyperparameter) -> None:
    assert row.interval is not None
    assert accepts(row, row.interval.high) is not row.interval.high_open
    assert not accepts(row, step(row, row.interval.high, inf))


@pytest.mark.parametrize("row", NUMBERS, ids=name)
@pytest.mark.parametrize("value", ["x", "1,2", [1], {}, float("nan"), inf, "0x1"])
def test_what_is_no_finite_number_is_refused(row: Hyperparameter, value: object) -> None:
    assert not accepts(row, value)


@pytest.mark.parametrize("row", [row for row in NUMBERS if row.kind == "integer"], ids=name)
def test_fraction_is_no_integer(row: Hyperparameter) -> None:
    assert not accepts(row, 1.5)


@pytest.mark.parametrize(
    ("row", "choice"), [(row, choice) for row in CATEGORIES for choice in row.choices]
)
def test_every_choice_is_accepted(row: Hyperparameter, choice: str) -> None:
    assert row.parse(decode(choice)) == choice


@pytest.mark.parametrize("row", CATEGORIES, ids=name)
@pytest.mark.parametrize("value", ["none of them", 1, [], None])
def test_no_choice_is_refused(row: Hyperparameter, value: object) -> None:
    assert not accepts(row, value)


@pytest.mark.parametrize("row", HYPERPARAMETERS, ids=name)
def test_refusal_names_the_hyperparameter(row: Hyperparameter) -> None:
    value: object = ["x@y"] if row.kind == "list" else "no such value"
    # The tuner's metric is one of those to evaluate.
    named = "eval_metric" if row.name == "_tuning_objective_metric" else row.name
    with pytest.raises(UserError, match=named):
        check(**{row.name: value})


def test_no_name_stands_for_two_rows() -> None:
    assert len(NAMES) == sum(1 + len(row.aliases) for row in HYPERPARAMETERS)


# Spellings: AWS's container reads numbers with int() and float().


@pytest.mark.parametrize("raw", ["0.5", ".5", "+0.5", "5e-1", " 0.5 ", '"0.5"', "00.5"])
def test_number_is_read_in_any_spelling_of_float(raw: str) -> None:
    assert check(eta=decode(raw)).params["eta"] == 0.5


@pytest.mark.parametrize("raw", ["5", "+5", "05", " 5 ", '"5"'])
def test_number_is_read_in_any_spelling_of_int(raw: str) -> None:
    assert check(max_depth=decode(raw)).params["max_depth"] == 5


@pytest.mark.parametrize("raw", ["true", '"true"', "True"])
def test_switch_is_read_in_any_style(raw: str) -> None:
    assert check(save_model_on_termination=decode(raw)).save_model_on_termination == "true"


@pytest.mark.parametrize(
    "raw", ["auc,logloss", '"auc,logloss"', '["auc", "logloss"]', "auc, logloss"]
)
def test_list_is_read_in_any_style(raw: str) -> None:
    settings = check(objective="binary:logistic", eval_metric=decode(raw))
    assert list(settings.eval_metric) == ["auc", "logloss"]


# The whole


def test_rounds_alone_are_enough() -> None:
    assert check() == Settings(params={}, num_round=1)


def test_what_steers_this_package_is_not_passed_to_xgboost() -> None:
    settings = check(early_stopping_rounds=2, csv_weights=1, save_model_on_termination="true")
    assert settings.params == {}


@pytest.mark.parametrize(
    ("alias", "row"), [(alias, row.name) for row in HYPERPARAMETERS for alias in row.aliases]
)
def test_alias_is_passed_under_the_name(alias: str, row: str) -> None:
    assert check(**{alias: 0.5}).params == {row: 0.5}


def test_name_and_alias_together_are_refused() -> None:
    with pytest.raises(UserError, match="eta is given twice, as eta and learning_rate"):
        check(eta=0.1, learning_rate=0.1)


@pytest.mark.parametrize("value", [None, ""])
def test_value_that_is_none_counts_as_not_given(value: object) -> None:
    assert check(eta=value).params == {}


@pytest.mark.parametrize("given", [{}, {"num_round": None}])
def test_missing_rounds_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"^Missing required hyperparameter: num_round$"):
        validate(given)


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"^Extraneous hyperparameter found: max_dept\. Did you mean max_depth\?"
    ):
        check(max_dept=1)


def test_value_out_of_range_is_refused_in_the_words_of_aws() -> None:
    with pytest.raises(UserError, match=r"^Hyperparameter num_round: 0 is not in \[1, \+inf\)$"):
        validate({"num_round": 0})


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name.startswith("multi:")])
def test_several_classes_need_their_number(objective: str) -> None:
    with pytest.raises(UserError, match="Require input for parameter 'num_class'"):
        check(objective=objective)


def test_number_of_classes_needs_several() -> None:
    with pytest.raises(UserError, match="num_class goes with objective multi:"):
        check(objective="binary:logistic", num_class=2)


def test_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Did you mean logloss\?"):
        check(eval_metric="loglos")


@pytest.mark.parametrize("spelling", ["auc,logloss", "['auc', 'logloss']", '["auc", "logloss"]'])
def test_list_is_read_in_every_style_of_the_sdk(spelling: str) -> None:
    settings = validate(
        {"num_round": 1, "objective": "binary:logistic", "eval_metric": decode(spelling)}
    )
    assert list(settings.eval_metric) == ["auc", "logloss"]
