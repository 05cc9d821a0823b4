from __future__ import annotations

import numpy as np
import pytest

from tabular.algorithms.xgboost.objective import Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES

LINKS = {name: row.link for name, row in OBJECTIVES.items()}

MARGINS = np.array([[-200], [-88.8], [-1], [0], [1], [88.8], [200]], np.float32)
CLASSES = np.array([[1, 1, 0], [-200, 200, 0], [0, 0, 0]], np.float32)


@pytest.mark.parametrize("objective", [name for name in LINKS if not name.startswith("multi:")])
def test_one_group_gives_one_float32_score_per_row(objective: str) -> None:
    scores = LINKS[objective].scores(MARGINS)
    assert (scores.shape, scores.dtype) == ((7,), np.float32)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob"])
def test_probabilities_stay_within_their_bounds_without_a_warning(objective: str) -> None:
    with np.errstate(all="raise", under="ignore"):
        scores = LINKS[objective].scores(MARGINS if "binary" in objective else CLASSES)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_large_margin_of_a_count_is_infinite_without_a_warning() -> None:
    with np.errstate(all="raise", under="ignore"):
        assert LINKS["count:poisson"].scores(MARGINS)[-1] == np.inf


def test_probabilities_of_classes_add_up_to_one() -> None:
    sums = LINKS["multi:softprob"].scores(CLASSES).sum(axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-6)


def test_first_of_equal_classes_is_predicted() -> None:
    assert LINKS["multi:softmax"].scores(CLASSES).tolist() == [0, 1, 0]


def test_hinge_predicts_class_0_for_margin_0() -> None:
    assert LINKS["binary:hinge"].scores(MARGINS).tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "objective",
    [row.name for row in OBJECTIVES.values() if row.predicts is not Predicts.CLASSES],
)
def test_link_of_the_base_margin_is_the_base_score(objective: str) -> None:
    link, base = LINKS[objective], np.array([0.25], np.float32)
    if objective == "multi:softprob":  # has equal margins for all classes, for any base score
        base = np.full(4, 0.25, np.float32)[None]
        np.testing.assert_allclose(link.scores(link.base_margin(base)), base)
        return
    np.testing.assert_allclose(link.scores(link.base_margin(base)[:, None]), base, rtol=1e-6)


def test_short_and_long_arrays_give_the_same_bits() -> None:
    margins = np.random.default_rng(0).normal(0, 30, (4000, 1)).astype(np.float32)
    margins[:6, 0] = [np.inf, -np.inf, np.nan, -0.0, 88.7, -89.5]
    link = LINKS["binary:logistic"]
    apart = np.concatenate([link.scores(margin[None]) for margin in margins])
    assert apart.tobytes() == link.scores(margins).tobytes()
