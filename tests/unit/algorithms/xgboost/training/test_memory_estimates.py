"""The estimates of memory, compared with measurements of XGBoost, and their consequences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tabular.algorithms.xgboost.hyperparameters import validate
from tabular.algorithms.xgboost.training import planning
from tabular.algorithms.xgboost.training.memory_estimates import (
    estimate_need,
    least_row_bytes,
    sketch_bytes,
    tree_bytes,
)
from tabular.algorithms.xgboost.training.planning import plan
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.machine import MEBIBYTE
from tabular.data.batch import Batch
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import Memory

ROWS, COLUMNS = 4000, 50


class Counted(Store):
    """A store that has only numbers of rows, columns and values."""

    def __init__(self, rows: int, width: int, values: int | None = None) -> None:
        super().__init__(MemoryBudget(0, Path("/nowhere")))
        self.rows, self.width = rows, width
        self.values = rows * width if values is None else values


def store(folder: Path, limit: int = 1 << 30) -> Store:
    made = Store(MemoryBudget(limit, folder))
    features = np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    made.append(Batch(features, (features[:, 0] > 0).astype(np.float32)), Path("a.csv"))
    made.seal(agree([made.describe("train")], Layout(), Path("/data")))
    return made


def settings(**given: object) -> planning.Settings:
    return validate({"num_round": 3, **given})


# MiB, of the process's anonymous memory, with XGBoost 3.2; normally distributed values.
@pytest.mark.parametrize(
    ("rows", "columns", "measured"),
    [(50_000, 500, 500), (100_000, 300, 335), (200_000, 500, 900), (1_000_000, 100, 270)],
)
def test_sketch_is_estimated_above_what_was_measured(
    rows: int, columns: int, measured: int
) -> None:
    estimate = sketch_bytes(Counted(rows, columns), 256) / MEBIBYTE
    assert measured <= estimate < 1.35 * measured


def test_sketch_without_rows_takes_no_memory() -> None:
    assert sketch_bytes(Counted(0, 0), 256) == 0


def test_sketch_of_sparse_columns_follows_their_values() -> None:
    assert sketch_bytes(Counted(10**6, 100, 10**6), 256) < sketch_bytes(Counted(10**6, 100), 256)


@pytest.mark.parametrize(
    ("params", "nodes"),
    [
        ({}, 64),
        ({"max_depth": 3}, 8),
        ({"max_depth": 0, "max_leaves": 5}, 5),
        ({"max_depth": 0}, 500),
    ],
)
def test_trees_have_a_histogram_for_each_node(params: Mapping[str, object], nodes: int) -> None:
    assert tree_bytes(Counted(1000, 10), 256, params) == nodes * 10 * 256 * 16


@pytest.mark.parametrize(
    ("classes", "metric", "measured"), [(0, "logloss", 51), (0, "auc", 72), (5, "mlogloss", 132)]
)
def test_rows_are_estimated_above_what_was_measured(
    classes: int, metric: str, measured: int
) -> None:
    assert estimate_need({"train": Counted(1, 1)}, "train", {}, classes).rows >= measured


def test_rows_that_are_held_out_have_no_gradients() -> None:
    both = estimate_need({"train": Counted(9, 1), "validation": Counted(9, 1)}, "train", {}, 0)
    assert both.held_out < both.rows


def test_least_row_bytes_are_those_of_logloss() -> None:
    assert least_row_bytes(1000, 0) == 52_000


def test_rows_are_on_disk_if_the_sketch_needs_their_memory(tmp_path: Path) -> None:
    made = store(tmp_path)
    wanted = estimate_need({"train": made}, "train", {}, 0)
    limit = int(4 * 1.02 * wanted.streamed(4 * MEBIBYTE) / 0.9)
    chosen = plan({"train": made}, settings(), 2, Memory(limit), tmp_path)
    assert not made.on_disk  # 4 MiB pieces are more than these rows
    tight = Memory(int(4 * 0.98 * wanted.in_memory(False) / 0.9))
    chosen = plan({"train": made}, settings(), 2, tight, tmp_path)
    assert (made.on_disk, made.taken) == (True, 0)
    assert chosen.kind == "ExtMemQuantileDMatrix on disk"


def test_rows_whose_gradients_do_not_fit_into_memory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4,000 rows take about 0 MiB in gradients"):
        plan({"train": store(tmp_path)}, settings(), 2, Memory(100_000), tmp_path)


def test_scarce_memory_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan({"train": store(tmp_path)}, settings(), 2, Memory(300_000), tmp_path)
    assert "memory may not do: about" in caplog.text
    assert "if the job is killed, use an instance type with more memory" in caplog.text


@pytest.mark.parametrize("given", [{}, {"tree_method": "approx"}])
def test_disk_without_space_for_pages_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Mapping[str, object]
) -> None:
    monkeypatch.setattr(planning, "DISK_SURPLUS", 1e12)
    with pytest.raises(PlatformError, match=r"MiB left, and the rows.*larger volume"):
        plan({"train": store(tmp_path)}, settings(**given), 2, Memory(300_000), tmp_path)
