from __future__ import annotations

import math
from math import inf

import pytest

from tabular.algorithms.xgboost.hyperparameters import (
    HYPERPARAMETERS,
    NAMES,
    Settings,
    validate,
)
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import decode
from tabular.training.hyperparameters.kinds import READERS, Hyperparameter

NUMBERS = [row for row in HYPERPARAMETERS if row.kind in ("integer", "float")]
CATEGORIES = [row for row in HYPERPARAMETERS if row.kind == "category"]
SWITCHES = [row for row in HYPERPARAMETERS if row.kind == "switch"]
ENDS = [
    (row, end, open_, outwards)
    for row in NUMBERS
    if row.interval
    for end, open_, outwards in (
        (row.interval.low, row.interval.low_open, -1),
        (row.interval.high, row.interval.high_open, 1),
    )
    if math.isfinite(end)
]
WRONG: dict[str, list[object]] = {
    "integer": ["x", "1,2", [1], {}, math.nan, inf, "0x1", 1.5, "3.0", True, "9" * 5000],
    "float": ["x", "1,2", [1], {}, math.nan, inf, "0x1", "1e-50", True],
    "category": ["none of them", 1.5, [], {}],
    "switch": ["maybe", 2, 1.0, [], {}],
    "list": [{}, [[]], "[a, b"],
    "choices": [{}, [[]], "[a, b", "no_such_choice", ["no_such_choice"]],
    "names": [{}, [None], "[a, b", "a,a", ["a", "a"]],
    "texts": [{}, [None], "[a, b", "a,a", ["a", "a"]],
    "schema": ["{", "[]", 1, {}, {"columns": 1}, {"columns": [1]}, {"columns": [{"kind": "x"}]}],
    "name": [{}, []],
    "numbers": ["x", [{}], "[1,", {}, "0.1,x", [2.0], True],
    "device": ["tpu", "cuda:-1", "cuda:x", "cpu:0", "cuda:", 1, [], {}],
    "monotone": ["(1,2)", [0.5], ["1"], {"a": 2}, {}, {"a": "1"}, "(1,", [True], "x", 1.5, [1, -2]],
    "interaction": ["[[-1]]", [1, 2], "x", [[1, "a"]], [[0.5]], [[True]], {}, 1, "[[0"],
}


def name(row: Hyperparameter) -> str:
    return row.name


def check(**given: object) -> Settings:
    return validate({"num_round": 1, **given})


def accepts(row: Hyperparameter, value: object) -> bool:
    try:
        row.parse(value)
    except UserError:
        return False
    return True


# Rows


@pytest.mark.parametrize(("row", "end", "open_", "outwards"), ENDS)
def test_end_of_a_range_is_as_declared(
    row: Hyperparameter, end: float, open_: bool, outwards: int
) -> None:
    step = outwards * (1 if row.kind == "integer" else 1e-6)
    assert accepts(row, end) is not open_
    assert not accepts(row, end + step)
    assert accepts(row, end - step)


@pytest.mark.parametrize("row", HYPERPARAMETERS, ids=name)
def test_value_of_another_kind_is_refused_by_name(row: Hyperparameter) -> None:
    for value in WRONG[row.kind]:
        with pytest.raises(UserError) as refused:
            row.parse(value)
        message = str(refused.value)
        assert message.startswith(f"Hyperparameter {row.name}")
        assert len(message) < 700
        assert "\n" not in message


@pytest.mark.parametrize("row", HYPERPARAMETERS, ids=name)
def test_row_has_what_the_page_needs(row: Hyperparameter) -> None:
    assert row.kind in READERS or row.reader
    first = row.description[:1]
    assert first.isupper() or first.isdigit() or row.description.startswith(row.choices)
    assert not row.description.endswith(".")
    assert row.required or row.removed or row.default
    if row.tunable:
        assert all(accepts(row, end if row.kind == "float" else int(end)) for end in row.tunable)


@pytest.mark.parametrize(
    ("row", "choice"), [(row, choice) for row in CATEGORIES for choice in row.choices]
)
def test_every_choice_is_accepted(row: Hyperparameter, choice: str) -> None:
    assert row.parse(decode(choice)) == choice


@pytest.mark.parametrize("row", SWITCHES, ids=name)
@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("False", False), ("0", False)],
)
def test_switch_is_read_in_any_spelling(row: Hyperparameter, raw: str, value: bool) -> None:
    assert row.parse(decode(raw)) is value


def test_no_name_stands_for_two_rows() -> None:
    assert len(NAMES) == sum(1 + len(row.aliases) for row in HYPERPARAMETERS)


@pytest.mark.parametrize("number", [2**31, 10**30, 10**4000])
def test_integer_that_xgboost_has_no_room_for_is_refused(number: int) -> None:
    with pytest.raises(UserError, match="the largest integer that XGBoost takes"):
        check(max_depth=number)


@pytest.mark.parametrize("number", [1e39, 1e-39])
def test_number_that_is_no_32_bit_number_is_refused(number: float) -> None:
    with pytest.raises(UserError, match="is not a 32-bit number"):
        check(**{"lambda": number})


def test_number_that_rounds_to_the_open_end_is_refused() -> None:
    with pytest.raises(UserError, match=r"2 is not in \(1, 2\)"):
        check(objective="reg:tweedie", tweedie_variance_power=1.9999999999)


# Spellings: AWS's container reads numbers with int() and float().


@pytest.mark.parametrize("raw", ["0.5", ".5", "+0.5", "5e-1", " 0.5 ", '"0.5"', "00.5"])
def test_number_is_read_in_any_spelling_of_float(raw: str) -> None:
    assert check(eta=decode(raw)).params["eta"] == 0.5


@pytest.mark.parametrize("raw", ["5", "+5", "05", " 5 ", '"5"'])
def test_number_is_read_in_any_spelling_of_int(raw: str) -> None:
    assert check(max_depth=decode(raw)).params["max_depth"] == 5


@pytest.mark.parametrize("raw", ["true", '"true"', "True"])
def test_category_of_truth_is_read_in_any_style(raw: str) -> None:
    assert check(save_model_on_termination=decode(raw)).save_model_on_termination == "true"


@pytest.mark.parametrize(
    "raw",
    [
        "auc,logloss",
        '"auc,logloss"',
        '["auc", "logloss"]',
        "['auc', 'logloss']",
        "('auc', 'logloss')",
        " auc, logloss,",
    ],
)
def test_list_is_read_in_any_style(raw: str) -> None:
    settings = check(objective="binary:logistic", eval_metric=decode(raw))
    assert list(settings.eval_metric) == ["auc", "logloss"]


@pytest.mark.parametrize(
    ("raw", "columns"),
    [
        ("a,b c", ("a", "b c")),
        ('["a,b", "c"]', ("a,b", "c")),
        ("(a),b", ("(a)", "b")),
        ("1,2", ("1", "2")),
        ("[1, 2]", ("1", "2")),
        ("7", ("7",)),
    ],
)
def test_columns_are_read_in_any_style(raw: str, columns: tuple[str, ...]) -> None:
    assert check(features=decode(raw)).layout.features == columns


@pytest.mark.parametrize("raw", ["(1,0,-1)", "[1, 0, -1]", "1,0,-1", " ( 1 , 0 , -1 ) "])
def test_monotone_constraints_are_read_in_any_style(raw: str) -> None:
    assert check(monotone_constraints=decode(raw)).params == {"monotone_constraints": "(1,0,-1)"}


@pytest.mark.parametrize("raw", ['{"a": 1, "b": -1}', "{'a': 1, 'b': -1}"])
def test_monotone_constraints_may_name_columns(raw: str) -> None:
    wanted = {"monotone_constraints": {"a": 1, "b": -1}}
    assert check(monotone_constraints=decode(raw)).params == wanted


@pytest.mark.parametrize("raw", ["[[0,2],[3]]", "((0,2),(3,))", "[[0, 2], [3]]"])
def test_interaction_constraints_are_read_in_any_style(raw: str) -> None:
    wanted = {"interaction_constraints": "[[0, 2], [3]]"}
    assert check(interaction_constraints=decode(raw)).params == wanted


def test_interaction_constraints_may_name_columns() -> None:
    settings = check(interaction_constraints=decode("[['a', 'b'], ['c']]"))
    assert settings.params == {"interaction_constraints": [["a", "b"], ["c"]]}


@pytest.mark.parametrize("raw", ["__import__('os').abort()", "(1).__class__", "[x for x in (1,)]"])
@pytest.mark.parametrize("row", ["monotone_constraints", "interaction_constraints"])
def test_code_is_not_run(row: str, raw: str) -> None:
    with pytest.raises(UserError, match=rf"{row}: could not parse value \(caused by ValueError\)"):
        check(**{row: decode(raw)})


@pytest.mark.parametrize(
    ("raw", "device"),
    [("cpu", "cpu"), ("cuda", "cuda"), ("gpu", "cuda"), ("cuda:1", "cuda:1"), ("gpu:0", "cuda:0")],
)
def test_device_is_given_in_the_words_of_xgboost(raw: str, device: str) -> None:
    settings = check(device=raw)
    assert (settings.device, settings.params["device"]) == (device, device)


@pytest.mark.parametrize("raw", ["0.1", "[0.1]", "(0.1,)"])
def test_numbers_are_read_in_any_style(raw: str) -> None:
    settings = check(objective="reg:quantileerror", quantile_alpha=decode(raw))
    assert settings.params["quantile_alpha"] == [0.1]
