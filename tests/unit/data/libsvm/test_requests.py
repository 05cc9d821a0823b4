"""From which index a request is counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tabular.data.batch import ColumnCountError, ColumnsError
from tabular.data.columns import KNOWN, NOT_INDEXED, UNDECLARED, UNKNOWN, Columns
from tabular.data.libsvm import first_index, model_columns, read_request

from ..batches import sparse

NAN = math.nan
FROM_0, FROM_1 = b"1 0:1 1:2 2:3\n", b"1 1:1 2:2 3:3\n"


def read(body: bytes, columns: Columns, declared: int | None = None) -> Any:
    return read_request(body, columns, declared).tolist()


def trained(indices: str, count: int = 3, base: int = 0) -> Columns:
    return Columns(count, base, indices=indices)


@pytest.mark.parametrize("indices", [UNKNOWN, NOT_INDEXED])
@pytest.mark.parametrize("body", [FROM_0, FROM_1])
def test_whole_rows_are_read_from_the_only_possible_start(indices: str, body: bytes) -> None:
    assert read(body, trained(indices)) == [[1, 2, 3]]


@pytest.mark.parametrize(
    "columns", [trained(UNKNOWN), trained(NOT_INDEXED), trained(KNOWN), trained(KNOWN, base=1)]
)
@pytest.mark.parametrize(("body", "declared"), [(b"0:1 2:3\n1:2", 0), (b"1:1 3:3\n2:2", 1)])
def test_declared_start_is_obeyed(columns: Columns, body: bytes, declared: int) -> None:
    np.testing.assert_equal(read(body, columns, declared), [[1, NAN, 3], [NAN, 2, NAN]])


@pytest.mark.parametrize("base", [0, 1])
def test_request_is_counted_as_the_training_data(base: int) -> None:
    body = b"%d:2\n" % (1 + base)
    np.testing.assert_equal(read(body, trained(KNOWN, base=base)), [[NAN, 2, NAN]])
    with pytest.raises(ColumnCountError):
        read(b"%d:1" % (3 + base), trained(KNOWN, base=base))


def test_row_from_1_without_an_index_is_read_where_the_last_index_shows_the_start() -> None:
    np.testing.assert_equal(
        read(b"1:1 3:3\n2:2\n", trained(NOT_INDEXED)), [[1, NAN, 3], [NAN, 2, NAN]]
    )


@pytest.mark.parametrize("body", [b"1:1 2:2", b"1 2:2\n", b"\n1:1\n"])
def test_rows_that_fit_both_starts_are_refused_where_training_had_no_indices(body: bytes) -> None:
    with pytest.raises(ColumnsError, match=r"counted from 0 or from 1; declare .* base=1"):
        read(body, trained(NOT_INDEXED))


@pytest.mark.parametrize("body", [b"1\n", b"\n", b"0:nan 1:1\n", b"2:nan"])
def test_rows_that_mean_the_same_from_both_starts_are_read(body: bytes) -> None:
    assert read(body, trained(NOT_INDEXED))


def test_rows_that_fit_both_starts_are_read_as_they_stand_by_a_model_of_unknown_data() -> None:
    np.testing.assert_equal(read(b"1:1 2:2", trained(UNKNOWN)), [[NAN, 1, 2]])


def test_last_index_alone_may_be_a_feature_that_unknown_data_did_not_have() -> None:
    with pytest.raises(ColumnCountError) as caught:
        read(b"1:1 3:3", trained(UNKNOWN))
    assert (caught.value.found, caught.value.expected) == (4, 3)


@pytest.mark.parametrize("indices", [UNKNOWN, NOT_INDEXED])
@pytest.mark.parametrize("body", [b"0:1 3:3", b"0:1\n1:1 2:2 3:3", b"4:1"])
def test_too_large_an_index_is_refused(indices: str, body: bytes) -> None:
    with pytest.raises(ColumnCountError):
        read(body, trained(indices))


@pytest.mark.parametrize("declared", [None, 1])
@pytest.mark.parametrize(("count", "base"), [(4, 0), (3, 1)])
def test_model_of_undeclared_data_reads_its_own_indices(
    count: int, base: int, declared: int | None
) -> None:
    rows = read(b"1 1:1 3:3\n0 2:2\n", trained(UNDECLARED, count, base), declared)
    np.testing.assert_equal([row[-3:] for row in rows], [[1, NAN, 3], [NAN, 2, NAN]])


@pytest.mark.parametrize(("count", "base"), [(4, 0), (3, 1)])
def test_index_0_has_no_effect_on_a_model_of_undeclared_data(count: int, base: int) -> None:
    rows = read(b"1 0:9 1:1 2:2 3:3\n", trained(UNDECLARED, count, base))
    assert [row[-3:] for row in rows] == [[1, 2, 3]]
    for declared, body in ((1, b"0:9 1:1"), (None, b"4:1"), (1, b"4:1")):
        with pytest.raises(ValueError, match=r"too small|expected"):
            read(body, trained(UNDECLARED, count, base), declared)


def test_start_from_0_is_refused_where_training_may_have_started_from_1() -> None:
    with pytest.raises(ColumnsError, match="Leave base=0 out"):
        read(FROM_0, trained(UNDECLARED, 4), 0)


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        (None, [[1, 2, 3]], 0),
        (trained(UNKNOWN), [[1, 2, 3]], 1),
        (trained(UNKNOWN), [[1], [1, 2, 3]], 1),
        (trained(UNKNOWN), [[1, 3]], 0),
        (trained(UNKNOWN), [[1, 2]], 0),
        (trained(UNKNOWN, 4), [[1, 2, 3]], 0),
        (trained(KNOWN, base=1), [[1]], 1),
    ],
)
def test_rows_of_a_script_are_counted_for_the_model_it_serves(
    columns: Columns | None, rows: list[list[int]], expected: int
) -> None:
    with model_columns(columns):
        assert first_index(sparse(rows).features, 1) == expected
        assert first_index(sparse(rows).features, None) == 0
