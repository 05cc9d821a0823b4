"""A script's training that is interrupted and resumed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from sagemaker_xgboost_container import checkpointing


@pytest.fixture
def arguments() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 3))
    matrix = xgboost.DMatrix(rows, rows[:, 0] + rows[:, 1])
    return {"params": {"max_depth": 3}, "dtrain": matrix, "evals": [(matrix, "train")]}


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.suffix[1:]) for path in folder.glob("xgboost-checkpoint.*"))


def test_training_goes_on_and_ends_as_the_unbroken_one(
    tmp_path: Path, arguments: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = xgboost.train(**arguments, num_boost_round=12, verbose_eval=False)
    checkpointing.train({**arguments, "num_boost_round": 7}, str(tmp_path))
    assert numbers(tmp_path)[-1] == 6
    assert len(numbers(tmp_path)) <= 5
    capfd.readouterr()
    booster = checkpointing.train({**arguments, "num_boost_round": 12}, str(tmp_path))
    printed = "".join(capfd.readouterr())
    assert re.findall(r"\[(\d+)\]\ttrain-rmse:0\.\d{5}\n", printed) == ["7", "8", "9", "10", "11"]
    assert booster.num_boosted_rounds() == 12
    np.testing.assert_allclose(
        booster.predict(arguments["dtrain"]), whole.predict(arguments["dtrain"]), rtol=1e-5
    )


def test_training_that_is_done_trains_no_more(tmp_path: Path, arguments: dict[str, Any]) -> None:
    for _ in range(2):
        booster = checkpointing.train({**arguments, "num_boost_round": 4}, str(tmp_path))
        assert booster.num_boosted_rounds() == 4


def test_rounds_of_a_model_to_start_from_are_not_counted(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    given = xgboost.train(**arguments, num_boost_round=3, verbose_eval=False)
    for rounds in (2, 4):
        booster = checkpointing.train(
            {**arguments, "num_boost_round": rounds, "xgb_model": given}, str(tmp_path)
        )
        assert booster.num_boosted_rounds() == 3 + rounds


def test_default_is_ten_rounds(arguments: dict[str, Any]) -> None:
    before = dict(arguments)
    assert checkpointing.train(arguments, None).num_boosted_rounds() == 10
    assert arguments == before


def test_broken_checkpoint_is_passed_over(tmp_path: Path, arguments: dict[str, Any]) -> None:
    checkpointing.train({**arguments, "num_boost_round": 3}, str(tmp_path))
    (tmp_path / "xgboost-checkpoint.9").write_bytes(b"cut off")
    assert checkpointing.load_checkpoint(str(tmp_path)) == (
        str(tmp_path / "xgboost-checkpoint.2"),
        3,
    )


def test_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert checkpointing.load_checkpoint(str(tmp_path)) == (None, 0)
    assert checkpointing.load_checkpoint(str(tmp_path / "none")) == (None, 0)
    assert checkpointing.load_checkpoint(None) == (None, 0)


def test_script_can_load_and_save_by_itself(tmp_path: Path, arguments: dict[str, Any]) -> None:
    saving = checkpointing.save_checkpoint(str(tmp_path), max_to_keep=2)
    xgboost.train(**arguments, num_boost_round=3, callbacks=[saving], verbose_eval=False)
    path, done = checkpointing.load_checkpoint(str(tmp_path))
    assert done == 3
    saving = checkpointing.save_checkpoint(str(tmp_path), start_iteration=done, max_to_keep=2)
    xgboost.train(**arguments, num_boost_round=5 - done, xgb_model=path, callbacks=[saving])
    assert numbers(tmp_path)[-1] == 4
    assert len(numbers(tmp_path)) <= 2


def test_checkpoint_that_sagemaker_reads_stays(tmp_path: Path, arguments: dict[str, Any]) -> None:
    checkpointing.train({**arguments, "num_boost_round": 1}, str(tmp_path))
    (tmp_path / "xgboost-checkpoint.0.sagemaker-uploading").touch()
    saving = checkpointing.save_checkpoint(str(tmp_path), max_to_keep=1)
    xgboost.train(
        **arguments,
        num_boost_round=2,
        xgb_model=str(tmp_path / "xgboost-checkpoint.0"),
        callbacks=[saving],
    )
    assert (tmp_path / "xgboost-checkpoint.0").exists()
    assert (tmp_path / "xgboost-checkpoint.2").exists()


def test_model_of_each_round_is_in_the_artifact(tmp_path: Path, arguments: dict[str, Any]) -> None:
    saving = checkpointing.save_intermediate_model(str(tmp_path / "model"), "xgboost-model")
    xgboost.train(**arguments, num_boost_round=3, callbacks=[saving])
    (path,) = (tmp_path / "model").iterdir()
    assert xgboost.Booster(model_file=bytearray(path.read_bytes())).num_boosted_rounds() == 3
