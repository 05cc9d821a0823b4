"""Cuts that are found in batches of columns equal the cuts of all columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from scipy.sparse import csr_matrix

from tabular.algorithms.xgboost.hyperparameters import validate
from tabular.algorithms.xgboost.training.planning import plan
from tabular.algorithms.xgboost.training.quantile_cuts.column_batches import batched_cuts
from tabular.contract.machine import MEBIBYTE
from tabular.data.batch import Batch
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import Memory


@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cuts_of_column_batches_equal_cuts_of_all_columns(
    tmp_path: Path, rare: bool, weighted: bool
) -> None:
    draw = np.random.default_rng(4)
    features = draw.normal(size=(5000, 7)).astype(np.float32)
    features[draw.random(features.shape) < 0.1] = np.nan
    features[:, 3] = np.nan  # nothing to sketch
    label = draw.normal(size=5000).astype(np.float32)
    weight = draw.uniform(1, 3, 5000).astype(np.float32) if weighted else None
    store = Store(MemoryBudget(0, tmp_path))
    given: Any = features
    if rare:
        present = ~np.isnan(features)
        given = csr_matrix((features[present], np.nonzero(present)), shape=features.shape)
    store.append(Batch(given, label, weight), Path("a"))
    store.seal(agree([store.describe("train")], Layout(), tmp_path))
    settings = validate({"num_round": 3})
    whole = plan({"train": store}, settings, 2, Memory(1 << 30), tmp_path, on_disk=True)
    memory = Memory(MEBIBYTE)  # memory for the sketches of one or two columns
    reference = batched_cuts(store, whole, memory, tmp_path)
    assert reference is not None
    at_once = whole.build([(store, None)])
    in_turns = replace(whole, cache=tmp_path / "again").build([(store, None)], reference)
    models = [
        xgboost.train({"nthread": 2}, each, 3).save_raw("ubj") for each in (at_once, in_turns)
    ]
    assert models[0] == models[1]


def test_columns_are_not_batched_if_the_sketch_fits(tmp_path: Path) -> None:
    store = Store(MemoryBudget(0, tmp_path))
    store.append(Batch(np.ones((9, 2), np.float32), np.ones(9, np.float32)), Path("a"))
    store.seal(agree([store.describe("train")], Layout(), tmp_path))
    chosen = plan({"train": store}, validate({"num_round": 3}), 2, Memory(1 << 30), tmp_path, True)
    assert batched_cuts(store, chosen, Memory(1 << 30), tmp_path) is None
