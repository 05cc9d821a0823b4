"""The columns that all channels have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.columns import KNOWN, NOT_INDEXED, UNDECLARED, Columns
from tabular.data.first_index import first_index_of
from tabular.data.memory_budget import MemoryBudget
from tabular.data.spelling import MISSING
from tabular.data.store import Store

from .batches import PATH, dense, filled, sparse, unite


@pytest.fixture
def budget(tmp_path: Path) -> MemoryBudget:
    return MemoryBudget(1 << 20, tmp_path)


def test_one_base_holds_for_all_channels(budget: MemoryBudget) -> None:
    train, validation = Store(budget), Store(budget)
    train.append(sparse([[1]], lowest=1), PATH)
    validation.append(sparse([[0, 4]], lowest=0), PATH)
    columns = unite([train.describe("train"), validation.describe("validation")], Path("/data"))
    assert (columns.base, columns.count) == (0, 5)


def numbered(name: str, budget: MemoryBudget, indices: list[int], base: int | None = None) -> Any:
    store = Store(budget)
    store.base = base
    store.append(sparse([indices], lowest=min(indices)), PATH)
    return store.describe(name)


@pytest.mark.parametrize(
    ("indices", "declared", "expected"),
    [
        ([0, 3], None, (4, 0, KNOWN)),
        ([1, 3], None, (3, 1, UNDECLARED)),
        ([2, 3], 0, (4, 0, KNOWN)),
        ([2, 3], 1, (3, 1, KNOWN)),
    ],
)
def test_first_index_is_declared_or_seen(
    budget: MemoryBudget,
    indices: list[int],
    declared: int | None,
    expected: tuple[int, int, str],
) -> None:
    columns = unite([numbered("train", budget, indices, declared)], Path("/data"))
    assert (columns.count, columns.base, columns.indices) == expected
    assert str(columns.base) in first_index_of(columns)


def test_base_that_one_channel_declares_holds_for_the_other(budget: MemoryBudget) -> None:
    parts = [numbered("train", budget, [1, 3], 1), numbered("validation", budget, [2])]
    assert unite(parts, Path("/data")).count == 3
    with pytest.raises(UserError, match=r"'validation' .* has the index 0, .* 'train' says base=1"):
        unite([parts[0], numbered("validation", budget, [0])], Path("/data"))
    with pytest.raises(
        UserError, match=r"channel 'validation' says base=0, .* 'train' says base=1"
    ):
        unite([parts[0], numbered("validation", budget, [2], 0)], Path("/data"))


def test_dense_channel_shows_the_base_or_the_job_must_declare_it(budget: MemoryBudget) -> None:
    validation = described("validation", budget, dense(columns=3))
    columns = unite([numbered("train", budget, [1, 3]), validation], Path("/data"))
    assert (columns.count, columns.base, columns.indices) == (3, 1, KNOWN)
    with pytest.raises(
        UserError, match=r"indices up to 2 and no index 0, .* has 3 feature columns"
    ):
        unite([numbered("train", budget, [1, 2]), validation], Path("/data"))
    assert unite([numbered("train", budget, [1, 2], 1), validation], Path("/data")).count == 3
    with pytest.raises(UserError, match=r"has 3 feature columns, .* the other channel need 5"):
        unite([numbered("train", budget, [0, 4]), validation], Path("/data"))


def described(name: str, budget: MemoryBudget, batch: Batch) -> dict[str, object]:
    return filled(budget, batch).describe(name)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (dense(columns=2), "has 2 feature columns, channel 'train' has 3"),
        (replace(dense(), names=["a", "b", "c"]), "has the feature columns a, b, c"),
    ],
)
def test_channels_that_do_not_go_together_are_refused(
    budget: MemoryBudget, other: Batch, words: str
) -> None:
    parts = [described("train", budget, dense()), described("validation", budget, other)]
    with pytest.raises(UserError, match="channel 'validation'") as caught:
        unite(parts, Path("/data"))
    assert words in str(caught.value)


def test_columns_without_rows_elsewhere_are_those_of_the_channel(budget: MemoryBudget) -> None:
    columns = unite([filled(budget, dense()).describe("train")], Path("/data"))
    assert columns == Columns(3, missing=MISSING, lenient=True, indices=NOT_INDEXED)
