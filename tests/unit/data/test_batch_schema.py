"""Batches of a channel with different schemas are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.batch_schema import BatchSchema

from .batches import dense, sparse, text

OTHER = Path("/data/b.csv")


def refused(second: Batch, first: Batch | None = None) -> str:
    with pytest.raises(UserError) as caught:
        BatchSchema.of(first or dense()).require_same(second, OTHER)
    assert str(OTHER) in str(caught.value)
    return str(caught.value)


def test_other_number_of_columns_is_refused() -> None:
    assert "has 2 feature columns, the files before it have 3" in refused(dense(columns=2))


def test_sparse_after_dense_is_refused() -> None:
    assert "holds sparse rows" in refused(sparse([[1]]))


def test_other_names_are_refused() -> None:
    first, second = replace(dense(), names=["a", "b", "c"]), replace(dense(), names=["a", "b", "x"])
    assert "has the feature columns a, b, x, the files before it have a, b, c" in refused(
        second, first
    )


def test_text_that_becomes_numbers_is_refused() -> None:
    assert "feature column '1' is text in some files" in refused(dense(columns=2), text("a"))


def test_dates_that_become_something_else_are_refused() -> None:
    dates = replace(dense(columns=1), dates={0: np.zeros(5)})
    assert "feature column '1' is dates in some files" in refused(dense(columns=1), dates)


def test_weights_in_some_files_only_are_refused() -> None:
    weighted = replace(dense(), weight=np.ones(5, np.float32))
    assert "a weight stands in some rows" in refused(weighted)


def test_groups_in_some_files_only_are_refused() -> None:
    grouped = replace(dense(), qid=np.ones(5, np.int64))
    assert "a qid stands in some rows" in refused(dense(), grouped)


def test_long_lists_of_names_are_cut() -> None:
    names = [f"column{i}" for i in range(20)]
    first = replace(dense(columns=20), names=names)
    words = refused(dense(columns=20), first)
    assert "column7, ... (20 in all)" in words
