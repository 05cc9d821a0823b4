from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.hyperparameters import decode, decode_all

numbers = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_encoded_value_is_decoded(value: object) -> None:
    assert decode(json.dumps(value)) == value


@given(st.none() | st.booleans() | numbers | st.lists(st.integers()))
def test_value_spelled_by_python_is_decoded(value: object) -> None:
    assert decode(str(value)) == value


@pytest.mark.parametrize(
    "text", ["reg:squarederror", "rmse,mae", "", "1.2.3", "{", "[1,", "s3://a/b"]
)
def test_text_that_is_not_json_is_unchanged(text: str) -> None:
    assert decode(text) == text


@given(st.integers() | st.lists(st.integers()) | st.none())
def test_value_that_is_not_a_string_is_unchanged(value: object) -> None:
    assert decode(value) == value


def test_text_nested_too_deep_for_json_stays_text() -> None:
    text = "[" * 2500  # the longest value that SageMaker accepts
    assert decode(text) == text


def test_every_name_is_kept() -> None:
    assert decode_all({"n-dash": "5", "objective": '"reg:gamma"'}) == {
        "n-dash": 5,
        "objective": "reg:gamma",
    }
