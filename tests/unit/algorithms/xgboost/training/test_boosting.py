"""The boosting loop: a resumed job trains the model of an uninterrupted job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.training.boosting import BoostingConfig, boost
from tabular.algorithms.xgboost.training.checkpoints import Checkpoints
from tabular.algorithms.xgboost.training.evaluator import Evaluator
from tabular.algorithms.xgboost.training.stopping import EarlyStopping
from tabular.contract.errors import UserError

DRAW = np.random.default_rng(3)
FEATURES = DRAW.normal(size=(2000, 6)).astype(np.float32)
LABEL = (FEATURES[:, 0] + FEATURES[:, 1] * FEATURES[:, 2] > 0).astype(np.float32)
MATRIX = xgboost.QuantileDMatrix(FEATURES, LABEL)
HELD_OUT = xgboost.QuantileDMatrix(FEATURES[:500] * 1.1, LABEL[:500], ref=MATRIX)
RAW = xgboost.DMatrix(FEATURES, LABEL)


def config(
    params: Mapping[str, object],
    rounds: int = 8,
    folder: Path | None = None,
    stop_after: int | None = None,
    early: int | None = None,
) -> BoostingConfig:
    objective = str(params.get("objective", "binary:logistic"))
    evaluator = Evaluator({"train": RAW, "validation": HELD_OUT}, [], objective, 0)
    done: list[int] = []
    return BoostingConfig(
        params={"objective": objective, "max_depth": 3, "nthread": 2, **params},
        num_round=rounds,
        evaluator=evaluator,
        stopping=EarlyStopping(early, "validation", "logloss") if early else None,
        checkpoints=Checkpoints(folder) if folder else None,
        resumable=folder is not None,
        wants_to_end=lambda: len(done) == stop_after,
        on_round=lambda *_: done.append(1),
    )


def digest(booster: xgboost.Booster) -> str:
    return hashlib.sha256(booster.save_raw("ubj")).hexdigest()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"subsample": 0.5},
        {"colsample_bytree": 0.5, "seed": 7},
        {"colsample_bylevel": 0.5},
        {"colsample_bynode": 0.5},
        {"booster": "dart", "rate_drop": 0.5},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"tree_method": "exact", "subsample": 0.5},
        {"tree_method": "approx", "colsample_bytree": 0.5},
        {"objective": "reg:absoluteerror"},
        {"grow_policy": "lossguide", "max_leaves": 5, "subsample": 0.7},
    ],
    ids=str,
)
def test_resumed_model_equals_the_uninterrupted_model(
    tmp_path: Path, params: Mapping[str, object]
) -> None:
    matrix = RAW if "tree_method" in params else MATRIX
    whole = boost(config(params, folder=tmp_path / "whole"), matrix)
    boost(config(params, folder=tmp_path / "cut", stop_after=3), matrix)
    start = Checkpoints(tmp_path / "cut").latest()
    assert start is not None
    assert start.num_boosted_rounds() == 3
    resumed = boost(config(params, folder=tmp_path / "cut"), matrix, start)
    assert digest(resumed) == digest(whole)


def test_resumed_job_stops_early_in_the_round_of_the_uninterrupted_job(tmp_path: Path) -> None:
    params = {"eta": 1.0, "max_depth": 8}
    whole = boost(config(params, 50, tmp_path / "whole", early=3), MATRIX)
    assert whole.num_boosted_rounds() < 50
    boost(config(params, 50, tmp_path / "cut", stop_after=4, early=3), MATRIX)
    start = Checkpoints(tmp_path / "cut").latest()
    resumed = boost(config(params, 50, tmp_path / "cut", early=3), MATRIX, start)
    assert digest(resumed) == digest(whole)


def test_job_that_had_ended_adds_no_round(tmp_path: Path) -> None:
    whole = boost(config({}, 5, tmp_path), MATRIX)
    again = boost(config({}, 5, tmp_path), MATRIX, Checkpoints(tmp_path).latest())
    assert digest(again) == digest(whole)


def test_model_without_checkpoints_equals_that_of_xgboost_train() -> None:
    params = {"objective": "binary:logistic", "max_depth": 3, "subsample": 0.5, "nthread": 2}
    plain = xgboost.train(params, MATRIX, 8)
    assert digest(boost(config(params), MATRIX)) == digest(plain)


def test_data_that_xgboost_refuses_is_a_user_error() -> None:
    with pytest.raises(UserError, match="base_score must be in"):
        boost(config({}), xgboost.DMatrix(FEATURES, LABEL * 5))
