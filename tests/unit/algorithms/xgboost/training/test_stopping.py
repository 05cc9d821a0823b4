"""Early stopping: the metric, its direction, and the best round."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.training.stopping import EarlyStopping, best_of

DRAW = np.random.default_rng(1)
MATRIX = xgboost.DMatrix(DRAW.normal(size=(40, 2)), DRAW.normal(size=40))


def run(
    metric: str | None, scores: Sequence[float], rounds: int = 2, shown: str = "rmse"
) -> tuple[int, xgboost.Booster]:
    """Train until early stopping; return the number of rounds, and the model."""
    stopping = EarlyStopping(rounds, "validation", metric)
    booster = xgboost.Booster({"max_depth": 2, "nthread": 1}, [MATRIX])
    for number, score in enumerate(scores):
        if stopping.is_over(booster):
            break
        booster.update(MATRIX, number)
        values = {"train-rmse": -1.0, f"validation-{shown}": score}
        stopping.note(booster, number, values)
    return booster.num_boosted_rounds(), booster


@pytest.mark.parametrize(
    ("metric", "scores", "best"),
    [
        ("rmse", [3, 2, 1, 2, 2, 0], 2),
        ("auc", [0.1, 0.3, 0.2, 0.2, 0.9], 1),
        ("ndcg@5", [0.1, 0.3, 0.2, 0.2, 0.9], 1),
        ("map@3-", [0.1, 0.3, 0.2, 0.2, 0.9], 1),
        ("accuracy", [0.1, 0.3, 0.2, 0.2, 0.9], 1),
        ("error@0.7", [0.3, 0.1, 0.2, 0.2, 0.0], 1),
        ("rmse", [1, 1, 1, 0], 0),
    ],
)
def test_stops_when_no_round_was_better(metric: str, scores: list[float], best: int) -> None:
    done, booster = run(metric, scores, shown=metric)
    assert (done, booster.attr("best_iteration")) == (best + 3, str(best))
    assert booster.attr("best_score") == repr(float(scores[best]))


def test_without_a_name_the_last_metric_of_the_validation_counts() -> None:
    assert run(None, [0.1, 0.3, 0.2, 0.2], shown="auc")[1].attr("best_iteration") == "1"


def test_best_round_is_kept() -> None:
    _, booster = run("rmse", [3, 1, 2, 2])
    best = best_of(booster, sliceable=True)
    assert best.num_boosted_rounds() == 2
    assert (best.best_iteration, best.best_score) == (1, 1.0)


def test_linear_model_keeps_all_rounds() -> None:
    _, booster = run("rmse", [3, 1, 2, 2])
    assert best_of(booster, sliceable=False).num_boosted_rounds() == 4


def test_model_without_early_stopping_keeps_all_rounds() -> None:
    booster = xgboost.train({"nthread": 1}, MATRIX, 3)
    assert best_of(booster, sliceable=True) is booster


def test_saved_model_contains_the_best_round() -> None:
    _, booster = run("rmse", [3, 1, 2])
    again = xgboost.Booster(model_file=booster.save_raw("ubj"))
    stopping = EarlyStopping(2, "validation", "rmse")
    assert not stopping.is_over(again)
    again.update(MATRIX, 3)
    stopping.note(again, 3, {"validation-rmse": 2})
    assert stopping.is_over(again)


def test_round_without_a_value_is_no_best(caplog: pytest.LogCaptureFixture) -> None:
    """As auc of rows with one class only."""
    done, booster = run("auc", [math.nan] * 5, shown="auc")
    assert done == 5
    assert best_of(booster, sliceable=True) is booster
    assert [record.getMessage() for record in caplog.records] == [
        "validation-auc has no value (nan), as auc of rows with one class only: early stopping "
        "does not choose by it; correct channel 'validation', or choose another metric"
    ]
    done, booster = run("auc", [math.nan, 0.5, math.nan, 0.4, 0.9], shown="auc")
    assert (done, booster.attr("best_iteration")) == (4, "1")
