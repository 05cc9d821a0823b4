from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabular.data.batch import Batch, Rows, concatenate


def batch(rows: int, weighted: bool = False) -> Batch:
    label = np.arange(rows, dtype=np.float32)
    return Batch(label[:, None] * 2, label, label + 1 if weighted else None)


def test_batches_are_joined_in_order() -> None:
    assert concatenate([batch(2), batch(1)]).features.tolist() == [[0], [2], [0]]


def test_weights_are_joined_too() -> None:
    joined = concatenate([batch(1, weighted=True), batch(2, weighted=True)])
    assert joined.weight is not None
    assert joined.weight.tolist() == [1, 1, 2]


def test_no_weights_stay_none() -> None:
    assert concatenate([batch(1), batch(1)]).weight is None


@pytest.mark.parametrize(("row", "origin"), [(0, ("a", 0)), (1, ("a", 1)), (2, ("b", 0))])
def test_row_is_traced_to_its_file(row: int, origin: tuple[str, int]) -> None:
    rows = Rows(batch(3), [(Path("a"), 2), (Path("b"), 1)])
    assert rows.origin(row) == (Path(origin[0]), origin[1])


def test_row_beyond_the_last_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        Rows(batch(1), [(Path("a"), 1)]).origin(1)
