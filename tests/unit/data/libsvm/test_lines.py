"""LIBSVM line by line."""

from __future__ import annotations

from tabular.data.libsvm.lines import rows_of


def test_the_plain_reader_is_a_generator_of_rows() -> None:
    rows = list(rows_of(b"1:2 qid:3 4:5\n", 1))
    assert [(row.label, row.weight, row.qid, row.pairs) for row in rows] == [(1, 2, 3, {4: 5})]
