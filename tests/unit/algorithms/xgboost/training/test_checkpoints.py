"""Checkpoints: five are kept, and the newest undamaged one is loaded."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.training.checkpoints import KEPT, Checkpoints
from tabular.contract.errors import PlatformError

DRAW = np.random.default_rng(1)
MATRIX = xgboost.DMatrix(DRAW.normal(size=(40, 2)), DRAW.normal(size=40))


def grown(rounds: int) -> xgboost.Booster:
    return xgboost.train({"max_depth": 2, "nthread": 1}, MATRIX, rounds)


def saved(folder: Path, *numbers: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for number in numbers:
        checkpoints.save(grown(number + 1), number, last=True)
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_folder_means_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None


def test_file_names_have_the_numbers_of_the_rounds(tmp_path: Path) -> None:
    saved(tmp_path, 0, 1)
    assert names(tmp_path) == ["xgboost-checkpoint.0", "xgboost-checkpoint.1"]


def test_checkpoint_with_the_highest_number_is_loaded(tmp_path: Path) -> None:
    latest = saved(tmp_path, 9, 10).latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 11


def test_five_checkpoints_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, *range(8))
    assert names(tmp_path) == [f"xgboost-checkpoint.{number}" for number in range(3, 8)]
    assert len(names(tmp_path)) == KEPT


def test_checkpoint_is_not_deleted_during_its_upload(tmp_path: Path) -> None:
    saved(tmp_path, 0)
    (tmp_path / "xgboost-checkpoint.0.sagemaker-uploading").touch()
    saved(tmp_path, *range(1, 8))
    assert "xgboost-checkpoint.0" in names(tmp_path)


def test_uploaded_checkpoint_is_deleted(tmp_path: Path) -> None:
    saved(tmp_path, 0)
    for mark in ("uploading", "uploaded"):
        (tmp_path / f"xgboost-checkpoint.0.sagemaker-{mark}").touch()
    saved(tmp_path, *range(1, 8))
    assert "xgboost-checkpoint.0" not in names(tmp_path)


@pytest.mark.parametrize("broken", [b"", b"no model", b"half"])
def test_broken_checkpoint_is_skipped(
    tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(tmp_path, 3, 4)
    newest = tmp_path / "xgboost-checkpoint.4"
    newest.write_bytes(newest.read_bytes()[:300] if broken == b"half" else broken)
    with caplog.at_level(logging.WARNING):
        latest = checkpoints.latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 4
    assert f"{newest} is passed over" in caplog.text


def test_checkpoint_with_a_wrong_number_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / "xgboost-checkpoint.7").write_bytes(grown(3).save_raw("ubj"))
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 2
    assert "holds 3 rounds, its name says 8" in caplog.text


def test_previous_checkpoint_is_used_if_the_newest_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(tmp_path, 1, 2, 3)
    for number, place in ((3, 700), (2, -100)):
        path = tmp_path / f"xgboost-checkpoint.{number}"
        content = bytearray(path.read_bytes())
        content[place] ^= 0x10
        path.write_bytes(content)
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 2
    for number in (3, 2):
        path = tmp_path / f"xgboost-checkpoint.{number}"
        assert f"{path} is passed over: {path} is damaged: its SHA-256" in caplog.text


def test_checkpoint_with_an_invalid_child_node_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A checkpoint without a digest, as AWS's container writes it: XGBoost loads it, and crashes
    # when it predicts.
    checkpoints = saved(tmp_path, 1)
    raw = bytes(grown(3).save_raw("ubj"))
    start = raw.index(b"left_children") + len("left_children[$l#L") + 8
    broken = raw[:start] + (1 << 28).to_bytes(4, "big") + raw[start + 4 :]
    (tmp_path / "xgboost-checkpoint.2").write_bytes(broken)
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 2
    assert "xgboost-checkpoint.2 is passed over" in caplog.text


def test_skipped_checkpoints_do_not_replace_new_ones(tmp_path: Path) -> None:
    for number in range(90, 90 + KEPT):
        tmp_path.joinpath(f"xgboost-checkpoint.{number}").write_bytes(b"damaged")
    checkpoints = saved(tmp_path, *range(7))
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.num_boosted_rounds() == 7
    assert len(names(tmp_path)) == 2 * KEPT


@pytest.mark.parametrize(
    "stray",
    ["xgboost-checkpoint.9.sagemaker-ignore", "xgboost-checkpoint.x", "other.9", "model-0"],
)
def test_other_files_are_not_touched(tmp_path: Path, stray: str) -> None:
    checkpoints = saved(tmp_path, 0)
    (tmp_path / stray).write_bytes(b"")
    latest = checkpoints.latest()
    assert latest is not None
    assert stray in names(tmp_path)


def test_checkpoints_are_saved_at_the_interval(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, interval=3)
    for number in range(7):
        checkpoints.save(grown(number + 1), number)
    assert "xgboost-checkpoint.2" in names(tmp_path)
    assert not {"xgboost-checkpoint.0", "xgboost-checkpoint.6"} & set(names(tmp_path))


def test_saving_takes_a_small_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 1.0, 1.0, 2.0, 3.0, 12.5, 12.5, 12.6])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    checkpoints = Checkpoints(tmp_path)
    model = grown(3)
    checkpoints.save(model, 0)  # takes 1 s
    checkpoints.save(model, 1)  # 1 s later: too early
    checkpoints.save(model, 2)  # 10.5 s later
    assert names(tmp_path) == ["xgboost-checkpoint.0", "xgboost-checkpoint.2"]


def test_folder_that_can_not_be_written_is_a_platform_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match=r"xgboost-checkpoint\.0 can't be written"):
        saved(tmp_path / "file", 0)
