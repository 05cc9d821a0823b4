from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.model import save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest
from tabular.contract.errors import UserError
from tabular.serving.loading import load_predictor

from ..conftest import boost

ROWS = np.random.default_rng(5).normal(size=(20, 4)).astype(np.float32)
BOOSTERS = ["gbtree", "dart", "gblinear"]


@pytest.mark.parametrize("booster", BOOSTERS)
def test_scores_are_those_of_xgboost(tmp_path: Path, booster: str) -> None:
    expected = boost(tmp_path, {"booster": booster}).predict(xgboost.DMatrix(ROWS))
    np.testing.assert_allclose(load_predictor(tmp_path).predict(ROWS), expected, rtol=1e-6)


@pytest.mark.parametrize("booster", BOOSTERS)
def test_missing_values_are_those_of_xgboost(tmp_path: Path, booster: str) -> None:
    rows = np.where(ROWS > 1, np.nan, ROWS)
    expected = boost(tmp_path, {"booster": booster}).predict(xgboost.DMatrix(rows))
    np.testing.assert_allclose(load_predictor(tmp_path).predict(rows), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("objective", "shape"), [("multi:softprob", (20, 3)), ("multi:softmax", (20,))]
)
def test_shape_of_several_classes(tmp_path: Path, objective: str, shape: tuple[int, ...]) -> None:
    boost(tmp_path, {"objective": objective, "num_class": 3})
    assert load_predictor(tmp_path).predict(ROWS).shape == shape


def test_number_of_features_is_that_of_the_model(tmp_path: Path) -> None:
    boost(tmp_path, {})
    assert load_predictor(tmp_path).columns.count == 4


def test_rounds_after_the_best_are_left_out(tmp_path: Path) -> None:
    # xgboost.train returns such a model after early stopping without save_best.
    booster = boost(tmp_path, {}, rounds=6, manifest=False)
    booster.set_attr(best_iteration="1")
    booster.save_model(tmp_path / "model.ubj")
    (tmp_path / "model.ubj").rename(tmp_path / "xgboost-model")
    expected = booster.predict(xgboost.DMatrix(ROWS), iteration_range=(0, 2))
    np.testing.assert_allclose(load_predictor(tmp_path).predict(ROWS), expected, rtol=1e-6)


def test_threads_get_their_own_scores(tmp_path: Path) -> None:
    expected = boost(tmp_path, {}).predict(xgboost.DMatrix(ROWS))
    predictor = load_predictor(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        scores = list(pool.map(lambda row: predictor.predict(row[None]), np.tile(ROWS, (50, 1))))
    np.testing.assert_allclose(np.concatenate(scores), np.tile(expected, 50), rtol=1e-6)


def test_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        load_predictor(tmp_path)


def ensemble(folder: Path, objective: str, **params: object) -> list[xgboost.Booster]:
    """Save the models of three folds."""
    params = {"objective": objective, **params}
    members = [boost(folder, {**params, "max_depth": depth}, rounds=2) for depth in (1, 2, 6)]
    files = save_models(folder, members)
    save_manifest(
        folder,
        Manifest(algorithm="xgboost", objective=objective, num_features=4, rounds=2, files=files),
    )
    return members


def test_models_of_several_folds_predict_their_mean(tmp_path: Path) -> None:
    members = ensemble(tmp_path, "binary:logistic")
    mean = np.mean([member.predict(xgboost.DMatrix(ROWS)) for member in members], axis=0)
    np.testing.assert_allclose(load_predictor(tmp_path).predict(ROWS), mean, rtol=1e-6)


@pytest.mark.parametrize(
    ("objective", "params"), [("binary:hinge", {}), ("multi:softmax", {"num_class": 3})]
)
def test_models_of_several_folds_vote_for_classes(
    tmp_path: Path, objective: str, params: dict[str, object]
) -> None:
    members = ensemble(tmp_path, objective, **params)
    votes = np.stack([member.predict(xgboost.DMatrix(ROWS)) for member in members]).astype(int)
    expected = [np.bincount(column).argmax() for column in votes.T]
    assert load_predictor(tmp_path).predict(ROWS).tolist() == expected
