"""``validation_fraction`` in whole trainings on small data, and the draw of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabular.algorithms.xgboost.training.held_out import held_out
from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

from ....conftest import JobFolder
from .jobs import artifact, run
from .test_job import LOGISTIC, ROWS

HALF = {**LOGISTIC, "validation_fraction": 0.5}

JOB = "tabular.algorithms.xgboost.training.job"


def store_of(tmp_path: Path, labels: list[float], files: int = 1, qid: object = None) -> Store:
    store = Store(MemoryBudget(1 << 20, tmp_path))
    for part in np.array_split(np.arange(len(labels)), files):
        features = part[:, None].astype(np.float32)
        group = None if qid is None else np.array(qid, np.int64)[part]
        label = np.array(labels, np.float32)[part]
        store.append(Batch(features, label, qid=group), tmp_path / f"{part[0]}.csv")
    return store


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.9])
def test_fraction_is_rounded_up(tmp_path: Path, stratified: bool, fraction: float) -> None:
    found = held_out(store_of(tmp_path, [0, 1] * 50), fraction, 0, stratified)
    assert found.sum() == round(100 * fraction)


def test_draw_does_not_depend_on_the_number_of_files(tmp_path: Path) -> None:
    labels = [float(row % 3) for row in range(100)]
    one, many = (held_out(store_of(tmp_path, labels, n), 0.3, 7, True) for n in (1, 9))
    assert (one == many).all()
    assert (one != held_out(store_of(tmp_path, labels), 0.3, 8, True)).any()


def test_each_label_has_its_share(tmp_path: Path) -> None:
    labels = [0.0] * 90 + [1.0] * 10
    found = held_out(store_of(tmp_path, labels), 0.2, 0, True)
    assert (found[:90].sum(), found[90:].sum()) == (18, 2)


def test_groups_are_not_split(tmp_path: Path) -> None:
    qid = [row // 5 for row in range(100)]
    found = held_out(store_of(tmp_path, [0.0] * 100, 3, qid), 0.3, 0, False)
    assert set(found.reshape(20, 5).sum(axis=1).tolist()) == {0, 5}
    assert found.sum() == 30


def test_one_row_can_not_be_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"0.5 of 1 rows leaves none to train on"):
        held_out(store_of(tmp_path, [0]), 0.5, 0, False)


def test_held_out_rows_are_evaluated_and_stop_early(job_folder: JobFolder) -> None:
    draw = np.random.default_rng(0)
    rows = "".join(f"{draw.integers(2)},{draw.random():.4f}\n" for _ in range(200))
    job_folder.data("train", rows)
    lines = run(job_folder, {**HALF, "num_round": 60, "early_stopping_rounds": 3})
    assert all("\tvalidation-logloss:" in line for line in lines.splitlines())
    booster, manifest = artifact(job_folder)
    assert booster.num_boosted_rounds() == manifest.rounds < 60
    assert "validation-logloss" in manifest.metrics


@pytest.mark.parametrize("tree_method", ["hist", "exact", "approx"])
def test_model_is_that_of_the_other_rows(job_folder: JobFolder, tree_method: str) -> None:
    given = {"tree_method": tree_method, **LOGISTIC}
    job_folder.data("train", ROWS)
    held = run(job_folder, {**given, "validation_fraction": 0.25})
    names = artifact(job_folder)[0].get_dump(with_stats=True)
    cells = [[float(cell) for cell in line.split(",")] for line in ROWS.splitlines()]
    labels = [row[0] for row in cells]
    mask = held_out(store_of(job_folder.root, labels), 0.25, 0, True)
    lines = np.array(ROWS.splitlines(keepends=True))
    job_folder.data("train", "".join(lines[~mask]))
    job_folder.data("validation", "".join(lines[mask]))
    assert run(job_folder, given) == held
    assert artifact(job_folder)[0].get_dump(with_stats=True) == names


def test_validation_channel_replaces_the_fraction(
    job_folder: JobFolder, caplog: pytest.LogCaptureFixture
) -> None:
    job_folder.data("train", ROWS)
    job_folder.data("validation", ROWS)
    with caplog.at_level("WARNING"):
        run(job_folder, HALF)
    assert "validation_fraction is not used" in caplog.text


def test_fraction_and_folds_are_refused(job_folder: JobFolder) -> None:
    job_folder.data("train", ROWS)
    with pytest.raises(UserError, match="validation_fraction and _kfold are both set"):
        run(job_folder, {**HALF, "_kfold": 3})


def test_several_hosts_are_refused(job_folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other host is not there, and telling it takes 30 s.
    monkeypatch.setattr(f"{JOB}.announce_failure", lambda *_, **__: None)
    job_folder.data("train", ROWS)
    hosts = {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}
    job_folder.config("resourceconfig.json", hosts)
    with pytest.raises(UserError, match="validation_fraction is for one host"):
        run(job_folder, {**HALF, "cluster_timeout": 1})
