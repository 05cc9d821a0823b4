from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from tabular.algorithms.sklearn.catalogue import CLASSIFIER, CLUSTERER, OUTLIER_DETECTOR, REGRESSOR
from tabular.algorithms.sklearn.training.dataset import Dataset
from tabular.algorithms.sklearn.training.scoring import METRICS, TABLE, scores_of

FEATURES = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
TWO = (FEATURES[:, 0] > 0).astype(int)
THREE = TWO + (FEATURES[:, 1] > 0)
# The metrics that a classifier of several classes, or without probabilities, does not have.
TWO_CLASSES = {"f1_binary", "precision", "recall"}
PROBABILITIES = {"logloss", "auc"}


@pytest.mark.parametrize(
    ("estimator", "kind", "label", "lacks"),
    [
        (LogisticRegression(), CLASSIFIER, TWO, set()),
        (LogisticRegression(), CLASSIFIER, THREE, TWO_CLASSES),
        (LinearSVC(), CLASSIFIER, TWO, PROBABILITIES),
        (LinearRegression(), REGRESSOR, FEATURES[:, 1], set()),
        (KMeans(3, n_init=1, random_state=0), CLUSTERER, None, set()),
        (IsolationForest(random_state=0), OUTLIER_DETECTOR, None, set()),
    ],
)
def test_metrics_of_a_kind_are_those_of_the_table(
    estimator: Any, kind: str, label: Any, lacks: set[str]
) -> None:
    model = estimator.fit(FEATURES, label)
    found = scores_of(model, kind, Dataset(FEATURES, FEATURES, label, None))
    assert {*found} == {*METRICS[kind]} - lacks


def test_every_kind_that_is_measured_is_in_the_table() -> None:
    assert {*METRICS} == {*TABLE}
