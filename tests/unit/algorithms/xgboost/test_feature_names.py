"""Feature names that XGBoost accepts, for columns of any name."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.feature_names import safe_names
from tabular.algorithms.xgboost.hyperparameters.constraints import with_safe_names
from tabular.contract.errors import UserError


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
    assert with_safe_names(params, ["a[0]", "b"]) == {
        "monotone_constraints": {"a(0)": 1},
        "interaction_constraints": [["a(0)", "b"]],
    }
    numbered = {"monotone_constraints": "(1,0)", "eta": 1}
    assert with_safe_names(numbered, ["a[0]", "b"]) == numbered


def test_unknown_column_of_a_constraint_is_refused() -> None:
    with pytest.raises(UserError, match=r"'a\(0\)'.* a\[0\]"):
        with_safe_names({"monotone_constraints": {"a(0)": 1}}, ["a[0]"])
