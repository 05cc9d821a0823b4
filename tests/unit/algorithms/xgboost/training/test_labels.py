from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabular.algorithms.xgboost.training.labels import check, check_groups
from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store


def batch(*labels: float, **more: object) -> Batch:
    label = np.array(labels, np.float32)
    return Batch(label[:, None], label, where=lambda row: f"line {row + 3}", **more)  # type: ignore[arg-type]


def stored(folder: Path, *batches: Batch) -> Store:
    store = Store(MemoryBudget(1 << 20, folder))
    for each in batches:
        store.append(each, Path("a"))
    return store


GOOD = [
    ("binary:logistic", (0, 0.5, 1)),
    ("binary:logitraw", (0, 1)),
    ("reg:logistic", (0, 0.5, 1)),
    ("binary:hinge", (0, 1)),
    ("multi:softmax", (0, 1, 2)),
    ("multi:softprob", (0, 1, 2)),
    ("count:poisson", (0, 2.5)),
    ("reg:tweedie", (0, 2.5)),
    ("reg:gamma", (0.1, 2.5)),
    ("reg:squaredlogerror", (-0.5, 0)),
    ("reg:squarederror", (-1e9, 1e9)),
    ("rank:ndcg", (0, 2)),
    ("rank:pairwise", (0, 2)),
    ("rank:map", (0, 1)),
]
BAD = [
    ("binary:logistic", 2),
    ("binary:logitraw", -0.1),
    ("reg:logistic", 1.1),
    ("binary:hinge", 0.5),
    ("multi:softmax", 3),
    ("multi:softmax", 0.5),
    ("multi:softprob", -1),
    ("count:poisson", -1),
    ("reg:tweedie", -1),
    ("reg:gamma", 0),
    ("reg:squaredlogerror", -1),
    ("rank:ndcg", -1),
    ("rank:pairwise", -1),
    ("rank:map", 2),
]


@pytest.mark.parametrize(("objective", "labels"), GOOD)
def test_labels_that_fit_pass(objective: str, labels: tuple[float, ...]) -> None:
    check(batch(*labels), Path("a"), objective, 3)


@pytest.mark.parametrize(("objective", "label"), BAD)
def test_label_that_does_not_fit_is_refused(objective: str, label: float) -> None:
    with pytest.raises(UserError, match="label must be"):
        check(batch(1, label), Path("a"), objective, 3)


def test_refusal_names_file_line_and_label() -> None:
    with pytest.raises(UserError, match=r"logistic regression: a\.csv line 4 has label 7 with"):
        check(batch(1, 7, 8), Path("a.csv"), "binary:logistic", 0)


def test_negative_weight_is_refused_with_file_line_and_weight() -> None:
    with pytest.raises(UserError, match=r"negative: a\.csv line 4 has weight -2"):
        check(batch(1, 1, weight=np.array([1, -2], np.float32)), Path("a.csv"), "reg:gamma", 0)


def grouped(*qids: int, weights: list[float] | None = None) -> Batch:
    weight = None if weights is None else np.array(weights, np.float32)
    return batch(*[1] * len(qids), qid=np.array(qids, np.int64), weight=weight)


def test_group_over_two_files_passes(tmp_path: Path) -> None:
    check_groups(stored(tmp_path, grouped(1, 2), grouped(2, 3)), "train", "rank:ndcg")


def test_group_whose_rows_are_not_contiguous_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'train': the rows of group 1 are not contiguous"):
        check_groups(stored(tmp_path, grouped(1, 2), grouped(1)), "train", "rank:ndcg")


def test_weights_that_differ_within_a_group_are_refused(tmp_path: Path) -> None:
    store = stored(tmp_path, grouped(1, 2, 2, weights=[1, 2, 3]))
    with pytest.raises(UserError, match="rows of group 2 have different weights"):
        check_groups(store, "train", "rank:ndcg")


def test_weights_that_differ_between_groups_pass(tmp_path: Path) -> None:
    check_groups(stored(tmp_path, grouped(1, 2, weights=[1, 2])), "train", "rank:ndcg")


def test_ranking_without_groups_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_groups(stored(tmp_path, batch(1)), "train", "rank:ndcg")
    assert "has no groups" in caplog.text
