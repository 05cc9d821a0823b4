"""Faults in lines of CSV."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tabular.data.csv.faults import Column, Kind, fault

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
MATRICES = st.integers(2, 6).flatmap(
    lambda columns: st.lists(
        st.lists(FINITE, min_size=columns, max_size=columns), min_size=1, max_size=6
    )
)


@given(MATRICES)
def test_good_rows_have_no_fault(matrix: list[list[float]]) -> None:
    lines = [",".join(map(repr, row)).encode() for row in matrix]
    columns = [Column(Kind.REQUIRED)] + [Column(Kind.NUMBER)] * (len(matrix[0]) - 1)
    assert fault(enumerate(lines, start=1), ",", columns, finite=True, skip_empty=True) is None
