"""The kind of matrix for each size of memory; all kinds train the same model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from scipy.sparse import csr_matrix

from tabular.algorithms.xgboost.hyperparameters import validate
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.planning import plan
from tabular.contract.errors import UserError
from tabular.contract.machine import MEBIBYTE
from tabular.data.batch import Batch
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import Memory

ROWS, COLUMNS = 3000, 5
DRAW = np.random.default_rng(3)
FEATURES = DRAW.normal(size=(ROWS, COLUMNS)).astype(np.float32)
LABEL = (FEATURES[:, 0] + FEATURES[:, 1] * FEATURES[:, 2] > 0).astype(np.float32)
WEIGHT = DRAW.uniform(0.5, 2, ROWS).astype(np.float32)
QID = np.repeat(np.arange(ROWS // 20), 20).astype(np.int64)
MUCH, LITTLE = Memory(64 << 30), Memory(256 * MEBIBYTE)


def batches(size: int, **more: Any) -> list[Batch]:
    made = []
    for start in range(0, ROWS, size):
        here = slice(start, start + size)
        given = {name: array[here] for name, array in more.items()}
        made.append(Batch(FEATURES[here], LABEL[here], **given))
    return made


def sparse(batch: Batch) -> Batch:
    return replace(batch, features=csr_matrix(batch.features))


def store(
    folder: Path, size: int = ROWS, disk: bool = False, rare: bool = False, **more: Any
) -> Store:
    made = Store(MemoryBudget(0 if disk else 1 << 30, folder))
    for batch in batches(size, **more):
        made.append(sparse(batch) if rare else batch, Path("a.csv"))
    made.seal(agree([made.describe("train")], Layout(categorical=True, header=True), Path("/data")))
    return made


def planned(made: Store, folder: Path, memory: Memory = MUCH, **given: object) -> Plan:
    settings = validate({"num_round": 3, **given})
    return plan({"train": made}, settings, 2, memory, folder)


def model(made: Store, chosen: Plan, **params: object) -> str:
    matrix = chosen.build([(made, None)])
    trained = xgboost.train({"nthread": 2, "max_depth": 3, **params}, matrix, 3)
    return hashlib.sha256(trained.save_raw("ubj")).hexdigest()


@pytest.mark.parametrize(
    ("given", "memory", "kind"),
    [
        ({}, MUCH, "QuantileDMatrix from rows in memory"),
        ({"tree_method": "hist", "booster": "dart"}, MUCH, "QuantileDMatrix"),
        ({"tree_method": "exact"}, MUCH, "DMatrix in memory"),
        ({"tree_method": "approx"}, MUCH, "DMatrix in memory"),
        ({"booster": "gblinear"}, MUCH, "DMatrix in memory"),
        ({"updater": "grow_colmaker"}, MUCH, "DMatrix in memory"),
        ({}, Memory(200_000), "ExtMemQuantileDMatrix on disk"),
        ({"tree_method": "approx"}, Memory(200_000), "DMatrix on disk"),
    ],
)
def test_kind_follows_settings_and_memory(
    tmp_path: Path, given: Mapping[str, object], memory: Memory, kind: str
) -> None:
    chosen = planned(store(tmp_path), tmp_path, memory, **given)
    assert chosen.kind.startswith(kind)


def test_reason_names_needed_and_available_memory(tmp_path: Path) -> None:
    assert planned(store(tmp_path), tmp_path).reason == (
        "binning takes about 1 MiB, bins 0 MiB, training 1 MiB of 65,536 MiB"
    )


def test_rows_on_disk_are_streamed(tmp_path: Path) -> None:
    assert "streamed from disk" in planned(store(tmp_path, disk=True), tmp_path).kind


def test_exact_training_without_the_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tree_method=exact needs the values themselves: about"):
        planned(store(tmp_path), tmp_path, Memory(200_000), tree_method="exact")


@pytest.mark.parametrize("size", [7, 100, ROWS])
@pytest.mark.parametrize("disk", [False, True])
def test_model_does_not_depend_on_block_size_and_place_of_the_rows(
    tmp_path: Path, size: int, disk: bool
) -> None:
    whole = store(tmp_path)
    made = store(tmp_path, size, disk)
    assert model(made, planned(made, tmp_path)) == model(whole, planned(whole, tmp_path))


@pytest.mark.parametrize("given", [{}, {"tree_method": "approx"}])
def test_model_from_disk_equals_the_model_from_memory(
    tmp_path: Path, given: Mapping[str, object]
) -> None:
    made = store(tmp_path, 100)
    there = model(made, planned(made, tmp_path, Memory(200_000), **given), **given)
    assert there == model(made, planned(made, tmp_path, **given), **given)


def test_model_of_sparse_rows_equals_that_of_xgboost_train(tmp_path: Path) -> None:
    made = store(tmp_path, 100, rare=True)
    matrix = xgboost.QuantileDMatrix(csr_matrix(FEATURES), LABEL)
    trained = xgboost.train({"nthread": 2, "max_depth": 3}, matrix, 3)
    digest = hashlib.sha256(trained.save_raw("ubj")).hexdigest()
    assert model(made, planned(made, tmp_path)) == digest


@pytest.mark.parametrize("disk", [False, True])
@pytest.mark.parametrize("size", [7, 33, ROWS])
def test_groups_are_never_split(tmp_path: Path, size: int, disk: bool) -> None:
    made = store(tmp_path, size, disk, qid=QID)
    chosen = replace(planned(made, tmp_path), piece=200)
    matrix = chosen.build([(made, None)])
    assert matrix.get_uint_info("group_ptr").tolist() == list(range(0, ROWS + 1, 20))


def test_groups_have_one_weight(tmp_path: Path) -> None:
    made = store(tmp_path, 33, qid=QID, weight=WEIGHT)
    matrix = planned(made, tmp_path).build([(made, None)])
    assert matrix.get_weight().tolist() == WEIGHT[::20].tolist()


def test_matrix_has_the_weights_and_labels(tmp_path: Path) -> None:
    made = store(tmp_path, 33, weight=WEIGHT)
    for given in ({}, {"tree_method": "exact"}):
        matrix = planned(made, tmp_path, **given).build([(made, None)])
        assert matrix.get_weight().tolist() == WEIGHT.tolist()
        assert matrix.get_label().tolist() == LABEL.tolist()


@pytest.mark.parametrize("given", [{}, {"tree_method": "exact"}])
def test_rows_are_selected_for_folds(tmp_path: Path, given: Mapping[str, object]) -> None:
    made = store(tmp_path, 33, weight=WEIGHT)
    pick = np.arange(ROWS) % 3 == 0
    matrix = planned(made, tmp_path, **given).build([(made, pick), (made, ~pick)])
    assert matrix.get_label().tolist() == [*LABEL[pick], *LABEL[~pick]]


def test_validation_matrix_has_the_bins_of_the_training_matrix(tmp_path: Path) -> None:
    made = store(tmp_path)
    chosen = planned(made, tmp_path)
    train = chosen.build([(made, None)])
    small = chosen.build([(made, np.arange(ROWS) < 50)], train)
    assert np.array_equal(small.get_quantile_cut()[1], train.get_quantile_cut()[1])


def test_negative_survival_label_is_a_lower_bound(tmp_path: Path) -> None:
    made = Store(MemoryBudget(1 << 20, tmp_path))
    made.append(Batch(FEATURES[:2], np.array([3, -4], np.float32)), Path("a.csv"))
    made.seal(agree([made.describe("train")], Layout(categorical=True, header=True), Path("/data")))
    matrix = planned(made, tmp_path, objective="survival:aft").build([(made, None)])
    assert matrix.get_float_info("label_lower_bound").tolist() == [3, 4]
    assert matrix.get_float_info("label_upper_bound").tolist() == [3, np.inf]


def test_wrong_number_of_feature_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="feature_types has 2 entries, the data has 5"):
        planned(store(tmp_path), tmp_path, feature_types="q,c")


def test_matrix_has_the_feature_names(tmp_path: Path) -> None:
    made = Store(MemoryBudget(1 << 20, tmp_path))
    made.append(Batch(FEATURES, LABEL, names=list("abcde")), Path("a.csv"))
    made.seal(agree([made.describe("train")], Layout(categorical=True, header=True), Path("/data")))
    for given in ({}, {"tree_method": "exact"}):
        matrix = planned(made, tmp_path, **given).build([(made, None)])
        assert matrix.feature_names == list("abcde")


def test_rows_are_freed_in_the_last_pass(tmp_path: Path) -> None:
    train, held_out = store(tmp_path, 100), store(tmp_path, 100)
    chosen = planned(train, tmp_path)
    ref = chosen.build([(train, None)], last=True)
    chosen.build([(held_out, None)], ref, last=True)
    for made in (train, held_out):
        with pytest.raises(RuntimeError, match="given back"):
            list(made.features(1))


def test_matrix_is_the_same_if_rows_are_freed(tmp_path: Path) -> None:
    made, other = store(tmp_path, 100), store(tmp_path, 100)
    chosen = planned(made, tmp_path)
    cuts = chosen.build([(made, None)], last=True).get_quantile_cut()
    assert np.array_equal(cuts[1], chosen.build([(other, None)]).get_quantile_cut()[1])
