from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.batch import Rows
from tabular.data.channel import read_channel
from tabular.training.hyperparameters import OBJECTIVES
from tabular.training.labels import RULES, check_labels


def rows(folder: Path, *labels: object, blank: int = 0) -> Rows:
    (folder / "train").mkdir(exist_ok=True)
    lines = "".join(f"{label},1\n" for label in labels)
    (folder / "train" / "data.csv").write_text("\n" * blank + lines)
    return read_channel(Channel("train", folder / "train"))


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
]


@pytest.mark.parametrize(("objective", "labels"), GOOD)
def test_labels_that_fit_pass(tmp_path: Path, objective: str, labels: tuple[float, ...]) -> None:
    check_labels(rows(tmp_path, *labels), objective, 3)


@pytest.mark.parametrize(("objective", "label"), BAD)
def test_label_that_does_not_fit_is_refused(tmp_path: Path, objective: str, label: float) -> None:
    with pytest.raises(UserError, match="label must be"):
        check_labels(rows(tmp_path, 1, label), objective, 3)


def test_refusal_names_file_line_and_label(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.csv line 4 has label 7 \(2 such rows\)"):
        check_labels(rows(tmp_path, 1, 7, 8, blank=2), "binary:logistic", 0)


@pytest.mark.parametrize("objective", RULES)
def test_every_rule_belongs_to_an_objective(objective: str) -> None:
    assert objective in OBJECTIVES
