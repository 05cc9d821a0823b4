"""Feature names that XGBoost accepts, for columns of any name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.feature_names import safe_names
from tabular.algorithms.xgboost.hyperparameters.constraints import for_features
from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.data.dates import DateColumn


@given(st.lists(st.text(alphabet='ab[]<()_2\n lt"', min_size=1, max_size=4), unique=True))
def test_names_are_unique_and_accepted_by_xgboost(names: list[str]) -> None:
    safe = safe_names(names)
    assert len(set(safe)) == len(names)
    if names:
        rows = np.zeros((1, len(names)), np.float32)
        assert xgboost.DMatrix(rows, feature_names=safe).feature_names == safe


@given(st.lists(st.text(alphabet='ab()_2 lt"é', min_size=1, max_size=4), unique=True))
def test_names_that_xgboost_accepts_stay_unchanged(names: list[str]) -> None:
    assert safe_names(names) == names


def test_constraints_name_the_same_columns() -> None:
    params = {"monotone_constraints": {"a[0]": 1}, "interaction_constraints": [["a[0]", "b"]]}
    assert for_features(params, Columns(2, names=("a[0]", "b"))) == {
        "monotone_constraints": {"a(0)": 1},
        "interaction_constraints": [["a(0)", "b"]],
    }
    numbered = {"monotone_constraints": "(1,0)", "eta": 1}
    assert for_features(numbered, Columns(2, names=("a[0]", "b"))) == numbered


def test_unknown_column_of_a_constraint_is_refused() -> None:
    with pytest.raises(UserError, match=r"'a\(0\)'.* a\[0\]"):
        for_features({"monotone_constraints": {"a(0)": 1}}, Columns(1, names=("a[0]",)))


DATED = Columns(3, names=("x", "when", "z"), dates={1: DateColumn()})


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({"monotone_constraints": "(1,0,-1)"}, "(1,0,0,0,0,0,-1)"),
        ({"monotone_constraints": {"when.year": 1}}, {"when.year": 1}),
        ({"interaction_constraints": "[[0, 2], [1]]"}, "[[0, 6], [1, 2, 3, 4, 5]]"),
        ({"interaction_constraints": "[[0, 3]]"}, "[[0, 7]]"),
        (
            {"interaction_constraints": [["x", "when"], ["when.hour", "z"]]},
            [["x", *DATED.date_names("when")], ["when.hour", "z"]],
        ),
    ],
)
def test_constraints_count_the_columns_of_the_data(
    constraints: dict[str, Any], expected: Any
) -> None:
    assert [*for_features(constraints, DATED).values()] == [expected]


@pytest.mark.parametrize(
    ("directions", "words"),
    [
        ("(1,0)", "has 2 entries, the data has 3 feature columns"),
        ("(0,1,0)", "has 1 for the column 'when', whose dates are the features when.seconds, "),
        ({"when": 1}, "names the column 'when', which the data does not have"),
    ],
)
def test_direction_of_a_date_is_that_of_a_feature(directions: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        for_features({"monotone_constraints": directions}, DATED)
