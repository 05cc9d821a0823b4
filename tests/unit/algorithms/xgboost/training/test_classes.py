"""Text labels in whole trainings on small data, in this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import xgboost

from tabular.algorithms.predictor import Loading
from tabular.algorithms.xgboost.predictor import load_described
from tabular.algorithms.xgboost.training.classes import agreed_classes
from tabular.contract.errors import UserError
from tabular.serving.selection import select

from ....conftest import JobFolder
from .jobs import artifact, run

BINARY = {"objective": "binary:logistic"}
SOFTMAX = {"objective": "multi:softmax", "num_class": 3}
SOFTPROB = {"objective": "multi:softprob", "num_class": 3}
YES_NO = ("yes", "no")
THREE = ("red", "blue", "green")


def csv_rows(labels: Sequence[object], rows: int = 60) -> str:
    """Write rows whose label follows from the first feature."""
    count = len(labels)
    return "".join(f"{labels[row % count]},{row % count},{row * 7 % 13}\n" for row in range(rows))


def answers(folder: JobFolder, *keys: str, rows: int = 3) -> Any:
    """Answer rows whose first feature is 0, 1, ... with a native model."""
    manifest = artifact(folder)[1]
    predictor = load_described(folder.root / "model", manifest, Loading())
    features = np.array([[row, 1] for row in range(rows)], np.float32)
    if not keys:
        return predictor.predict(features).tolist()
    selected = select(keys, predictor, features).columns
    return [selected[key].tolist() for key in keys]


def write_parquet(folder: JobFolder, channel: str, name: str, labels: Any) -> None:
    path = folder.root / "input" / "data" / channel / name
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(labels)
    table = {"label": labels, "a": [float(row % count) for row in range(count)]}
    pyarrow.parquet.write_table(pyarrow.table(table), path)


def trees(booster: xgboost.Booster) -> list[str]:
    return booster.get_dump(with_stats=True)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("yes", "no"), ["no", "yes"]),
        (("True", "False"), ["False", "True"]),
        (("01", "02"), ["01", "02"]),
        (("00", "01"), ["00", "01"]),
        (("01", "1"), ["01", "1"]),
        (("b", "1"), ["1", "b"]),
        (("é", "z"), ["z", "é"]),
    ],
)
def test_text_labels_train_the_model_of_their_codes(
    job_folder: JobFolder, labels: tuple[str, str], classes: list[str]
) -> None:
    job_folder.data("train", csv_rows(labels))
    job_folder.data("validation", csv_rows(labels, 20))
    named = run(job_folder, BINARY)
    booster, manifest = artifact(job_folder)
    assert list(manifest.classes) == classes
    codes = [classes.index(label) for label in labels]
    job_folder.data("train", csv_rows(codes))
    job_folder.data("validation", csv_rows(codes, 20))
    assert run(job_folder, BINARY) == named
    plain, described = artifact(job_folder)
    assert trees(plain) == trees(booster)
    assert list(described.classes) == []
    assert plain.attr("classes") is None


@pytest.mark.parametrize("labels", [(0, 1), ("0.0", "1"), ("0.25", "0.5")])
def test_numeric_labels_stay_numbers(job_folder: JobFolder, labels: tuple[object, object]) -> None:
    job_folder.data("train", csv_rows(labels))
    run(job_folder, BINARY)
    assert list(artifact(job_folder)[1].classes) == []
    assert answers(job_folder, "labels", rows=1) == [[[0, 1]]]


def test_binary_model_answers_labels_and_the_probability_of_the_last(
    job_folder: JobFolder,
) -> None:
    job_folder.data("train", csv_rows(YES_NO))
    run(job_folder, BINARY)
    label, labels, score = answers(job_folder, "predicted_label", "labels", "probability", rows=2)
    assert label == ["yes", "no"]
    assert labels == [["no", "yes"]] * 2
    assert score[0] > 0.5 > score[1]
    assert answers(job_folder, rows=2) == score


@pytest.mark.parametrize("objective", ["binary:hinge", "binary:logitraw"])
def test_other_binary_objectives_answer_labels(job_folder: JobFolder, objective: str) -> None:
    job_folder.data("train", csv_rows(YES_NO))
    run(job_folder, {"objective": objective, "base_score": 0.5})
    assert answers(job_folder, "predicted_label", rows=2) == [["yes", "no"]]


def test_softmax_answers_the_labels_themselves(job_folder: JobFolder) -> None:
    job_folder.data("train", csv_rows(THREE))
    run(job_folder, SOFTMAX)
    assert answers(job_folder) == ["red", "blue", "green"]
    label, score, labels = answers(job_folder, "predicted_label", "raw_score", "labels")
    assert (label, score) == (["red", "blue", "green"], [2.0, 0.0, 1.0])
    assert labels == [["blue", "green", "red"]] * 3


def test_softprob_answers_probabilities_in_the_order_of_the_labels(job_folder: JobFolder) -> None:
    job_folder.data("train", csv_rows(THREE))
    run(job_folder, SOFTPROB)
    label, labels, probabilities = answers(job_folder, "predicted_label", "labels", "probabilities")
    assert label == ["red", "blue", "green"]
    best = [names[int(np.argmax(row))] for names, row in zip(labels, probabilities, strict=True)]
    assert best == label


def test_text_that_begins_in_a_later_file_makes_all_labels_text(job_folder: JobFolder) -> None:
    job_folder.data("train", csv_rows(("1", "2")), "a.csv")
    job_folder.data("train", csv_rows(("2", "A")), "b.csv")
    run(job_folder, SOFTPROB)
    assert list(artifact(job_folder)[1].classes) == ["1", "2", "A"]


@pytest.mark.parametrize(
    ("hyperparameters", "labels", "words"),
    [
        (BINARY, THREE, r"3 class labels or more \(blue, green, red\); binary:logistic takes two"),
        (BINARY, ("yes",), r"has 1 class label \(yes\); binary:logistic takes two classes"),
        ({**SOFTPROB, "num_class": 4}, THREE, r"has 3 class labels \(.*num_class is 4"),
        ({**SOFTPROB, "num_class": 2}, THREE, r"3 class labels or more \(.*num_class is 2"),
        (BINARY, (1, 2), r"label must be in \[0,1\] for logistic.* line 2 has label 2"),
        (SOFTPROB, (1, 2, 3), r"label must be in \[0, num_class\).* line 3 has label 3"),
        (BINARY, (0, 1, "l"), r"line 3, column 1: 'l' is not a number"),
        (BINARY, ("0.1", "0.2", "0.3", "x"), r"line 4, column 1: 'x' is not a number"),
        (BINARY, ("yes", ""), r"line 2, column 1: a label or weight is missing"),
        ({"objective": "reg:squarederror"}, YES_NO, r"line 1, column 1: 'yes' is not a number"),
        ({"objective": "rank:map"}, YES_NO, r"line 1, column 1: 'yes' is not a number"),
    ],
)
def test_labels_that_are_refused(
    job_folder: JobFolder,
    hyperparameters: dict[str, object],
    labels: tuple[object, ...],
    words: str,
) -> None:
    job_folder.data("train", csv_rows(labels))
    with pytest.raises(UserError, match=words):
        run(job_folder, hyperparameters)


@pytest.mark.parametrize(
    ("train_labels", "validation", "words"),
    [
        (YES_NO, ("yes", "maybe"), "'validation' has the label maybe, which channel 'train' does"),
        (YES_NO, ("Yes", "no"), "'validation' has the label Yes"),
        (YES_NO, (0, 1), "'validation' has the labels 0, 1, which"),
        ((0, 1), YES_NO, r"validation/data\.csv line 1, column 1: 'yes' is not a number"),
        ((0, 1), ("01", "02"), "has the label '01', with a leading zero"),
    ],
)
def test_label_that_only_validation_has_is_refused(
    job_folder: JobFolder,
    train_labels: tuple[object, ...],
    validation: tuple[object, ...],
    words: str,
) -> None:
    job_folder.data("train", csv_rows(train_labels))
    job_folder.data("validation", csv_rows(validation))
    with pytest.raises(UserError, match=words):
        run(job_folder, BINARY)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["yes", "no"], ["no", "yes"]),
        ([True, False], ["False", "True"]),
        (["01", "02"], ["01", "02"]),
        (["01", "1"], ["01", "1"]),
        (["00", "01"], ["00", "01"]),
        (pyarrow.array(["yes", "no"]).dictionary_encode(), ["no", "yes"]),
        (["0", "1"], []),
        ([0, 1], []),
    ],
)
def test_parquet_labels(job_folder: JobFolder, labels: Any, classes: list[str]) -> None:
    repeated = pyarrow.chunked_array([labels] * 20)
    write_parquet(job_folder, "train", "a.parquet", repeated)
    job_folder.config("inputdataconfig.json", {"train": {"ContentType": "application/x-parquet"}})
    run(job_folder, {**BINARY, "target": "label"})
    assert list(artifact(job_folder)[1].classes) == classes


def test_libsvm_beside_text_is_refused(job_folder: JobFolder) -> None:
    job_folder.data("train", csv_rows(YES_NO))
    job_folder.data("validation", "0 0:1 1:2\n1 0:2 1:3\n")
    config = {"train": {"ContentType": "text/csv"}, "validation": {"ContentType": "text/libsvm"}}
    job_folder.config("inputdataconfig.json", config)
    with pytest.raises(UserError, match="text in channel 'train' and numbers in channel 'valid"):
        run(job_folder, BINARY)


def test_weights_and_folds_work_on_codes(job_folder: JobFolder) -> None:
    rows = csv_rows(YES_NO).splitlines()
    weighted = "".join(f"{row.replace(',', ',2,', 1)}\n" for row in rows)
    job_folder.data("train", weighted)
    given = {**BINARY, "csv_weights": 1, "_kfold": 3, "scale_pos_weight": 2, "eval_metric": "auc"}
    assert "validation-auc:1" in run(job_folder, given)
    assert answers(job_folder, "predicted_label", rows=2) == [["yes", "no"]]
    table = np.loadtxt(job_folder.root / "output" / "data" / "predictions.csv", delimiter=",")
    assert sorted(set(table[:, 0])) == [0, 1]


def test_checkpoint_of_other_classes_is_refused(job_folder: JobFolder, tmp_path: Path) -> None:
    job_folder.config("checkpointconfig.json", {"LocalPath": str(tmp_path / "saved")})
    job_folder.data("train", csv_rows(YES_NO))
    run(job_folder, BINARY)
    run(job_folder, {**BINARY, "num_round": 5})
    assert artifact(job_folder)[0].num_boosted_rounds() == 5
    for labels, words in ((("J", "N"), "no, yes, here they are J, N"), ((0, 1), "are numbers")):
        job_folder.data("train", csv_rows(labels))
        with pytest.raises(UserError, match=f"its class labels are .*{words}"):
            run(job_folder, {**BINARY, "num_round": 6})


def test_early_stopping_keeps_the_classes(job_folder: JobFolder) -> None:
    job_folder.data("train", csv_rows(YES_NO))
    job_folder.data("validation", csv_rows(YES_NO[::-1]))
    run(job_folder, {**BINARY, "num_round": 30, "early_stopping_rounds": 2})
    booster, manifest = artifact(job_folder)
    assert json.loads(booster.attr("classes") or "") == list(manifest.classes) == ["no", "yes"]


def part(name: str, classes: Sequence[str] | None, rows: int = 9) -> dict[str, Any]:
    return {"name": name, "rows": rows, "classes": classes, "label_fault": ""}


def test_hosts_agree_on_the_order_of_the_classes() -> None:
    described = [
        {"train": part("train", ["b", "c"]), "validation": part("validation", ["c"])},
        {"train": part("train", ["a", "b"])},
        {"train": part("train", None, rows=0)},
    ]
    assert agreed_classes(described, "multi:softprob", 3) == ("a", "b", "c")
    assert agreed_classes(described[::-1], "multi:softprob", 3) == ("a", "b", "c")


def test_host_with_numbers_beside_a_host_with_text_is_refused() -> None:
    described = [{"train": part("train", ["a", "b"])}, {"train": part("train", None)}]
    with pytest.raises(UserError, match="text in some files and numbers in others"):
        agreed_classes(described, "binary:logistic", 0)
