"""Texts that are LIBSVM, or nearly so."""

from __future__ import annotations

from hypothesis import strategies as st

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SPELLINGS = st.one_of(
    st.floats().map(repr),
    FINITE.map(lambda number: f"{number:g}"),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["nan", "NaN", "-nan", "+nan", "inf", "-Infinity", "INF", "+1", "1.", ".5"]),
    st.sampled_from(["1E+05", "007", "1e400", "1e-400", "1e39", "-0", "+.5", "1.e5", "-1", "0"]),
    st.sampled_from(["nan(1)", "0x10", "1_0", "1f", "x", "-", "+", ".", "1e", "+-1", "infin", "é"]),
    st.sampled_from(
        ["1\x0b", "\x001", "\u0661", "qid", "q", '"1"', "1,2", "1\r2", "True", "1\x1f"]
    ),
)
# Texts that are often LIBSVM, and more often nearly so.
SOUP = st.lists(
    st.one_of(
        st.sampled_from(
            [" ", " ", " ", "\n", "\n", ":", ":", ":", "\t", "\r", "\r\n", "#", "qid:"]
        ),
        st.sampled_from(["0", "1", "2", "3", "12", "-1", "+1", "0.5", "1e2", "nan", "qid:3", "#1"]),
        st.sampled_from(["1:2", "2:0.5", "3:nan", "4:1e3", "1 1:2", "\n0 1:1", "1:0.5 qid:1 2:2"]),
        SPELLINGS,
    ),
    max_size=14,
).map(lambda parts: "".join(parts).encode())
