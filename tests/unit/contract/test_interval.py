from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.interval import Interval


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
def test_ends_are_members_unless_open(open_: bool) -> None:
    assert (0 in Interval(0, 1, low_open=open_)) is not open_
    assert (1 in Interval(0, 1, high_open=open_)) is not open_
