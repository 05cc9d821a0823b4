"""Rows of a channel in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

from .batches import PATH, dense, filled, sealed, sparse, text, unite


def all_rows(store: Store, slice_bytes: int = 1 << 20) -> np.ndarray:
    pieces = [piece for _, piece in store.features(slice_bytes)]
    return np.concatenate([p if isinstance(p, np.ndarray) else p.toarray() for p in pieces])


@pytest.fixture
def budget(tmp_path: Path) -> MemoryBudget:
    return MemoryBudget(1 << 20, tmp_path)


@pytest.fixture
def no_memory(tmp_path: Path) -> MemoryBudget:
    return MemoryBudget(0, tmp_path)


def test_rows_come_back_in_order(budget: MemoryBudget) -> None:
    store = filled(budget, dense(), dense(first=15))
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()


def test_pieces_come_with_the_number_of_their_first_row(budget: MemoryBudget) -> None:
    assert [start for start, _ in filled(budget, dense(), dense()).features(1)] == [0, 5]


@pytest.mark.parametrize("slice_bytes", [1, 24, 1 << 20])
def test_rows_on_disk_are_those_in_memory(no_memory: MemoryBudget, slice_bytes: int) -> None:
    store = filled(no_memory, dense(), dense(first=15))
    assert store.on_disk
    assert all_rows(store, slice_bytes).tolist() == np.arange(30).reshape(10, 3).tolist()


@pytest.mark.parametrize("slice_bytes", [1, 24, 1 << 20])
def test_sparse_rows_on_disk_are_those_in_memory(
    budget: MemoryBudget, no_memory: MemoryBudget, slice_bytes: int
) -> None:
    batches = [sparse([[0, 2], [], [1]]), sparse([[3], [0]])]
    there = all_rows(filled(no_memory, *batches), slice_bytes)
    assert there.tolist() == all_rows(filled(budget, *batches)).tolist()


def test_what_is_in_memory_moves_to_disk_beyond_the_budget(tmp_path: Path) -> None:
    budget = MemoryBudget(100, tmp_path)
    store = filled(budget, dense(), dense(first=15))  # 60 bytes each
    assert (store.on_disk, budget.taken) == (True, 0)
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()


def test_closing_releases_the_memory(budget: MemoryBudget) -> None:
    store = filled(budget, dense())
    store.close()
    assert budget.taken == 0


def test_no_file_is_left_on_disk(no_memory: MemoryBudget) -> None:
    filled(no_memory, dense())
    assert list(no_memory.folder.iterdir()) == []


def test_missing_values_are_counted(budget: MemoryBudget) -> None:
    batch = dense()
    batch.features[0, 0] = np.nan
    store = filled(budget, batch)
    assert (store.values, store.rows * store.width) == (14, 15)


def test_empty_batch_adds_nothing(budget: MemoryBudget) -> None:
    assert filled(budget, dense(0), dense()).rows == 5


@pytest.mark.parametrize("base", [None, 1])
def test_indices_from_one_are_moved(budget: MemoryBudget, base: int | None) -> None:
    store = Store(budget)
    store.base = base
    store.append(sparse([[1, 3]], lowest=1), PATH)
    assert all_rows(sealed(store)).tolist() == [[1, 0, 2]]


def test_indices_from_zero_stay(budget: MemoryBudget) -> None:
    assert all_rows(filled(budget, sparse([[0, 3]], lowest=0))).tolist() == [[1, 0, 0, 2]]


def test_indices_of_a_format_that_counts_from_zero_stay(budget: MemoryBudget) -> None:
    assert all_rows(filled(budget, sparse([[1]]))).tolist() == [[0, 1]]


def test_codes_of_text_do_not_depend_on_the_order(budget: MemoryBudget) -> None:
    there = filled(budget, text("b", "a"), text("c"))
    back = filled(budget, text("c"), text("a", "b"))
    assert all_rows(there)[:, 0].tolist() == [1, 0, 2]
    assert all_rows(back)[:, 0].tolist() == [2, 0, 1]


def test_codes_of_text_are_named(budget: MemoryBudget) -> None:
    columns = filled(budget, text("b", "a")).columns
    assert columns is not None
    assert columns.categories == {0: ("a", "b")}


def test_missing_text_stays_missing(budget: MemoryBudget) -> None:
    batch = text("b", "a")
    batch.features[1, 0] = np.nan
    assert np.isnan(all_rows(filled(budget, batch))[1, 0])


def test_text_of_all_channels_shares_codes(budget: MemoryBudget) -> None:
    train, validation = Store(budget), Store(budget)
    train.append(text("b"), PATH)
    validation.append(text("a"), PATH)
    columns = unite([train.describe("train"), validation.describe("validation")], Path("/data"))
    validation.seal(columns)
    train.seal(columns)
    assert (all_rows(train)[0, 0], all_rows(validation)[0, 0]) == (1, 0)


def test_rows_move_to_disk_when_asked(budget: MemoryBudget) -> None:
    store = filled(budget, dense(), dense(first=15))
    store.spill()
    assert (store.on_disk, store.taken, budget.taken) == (True, 0, 0)
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()
