"""The columns that all channels have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.columns import Columns
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
    assert columns == Columns(3, missing=MISSING, lenient=True)
