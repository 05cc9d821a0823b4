"""Rows on which a compiled estimator is likely to differ from the original."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from tabular.algorithms.sklearn.encoded import UNKNOWN
from tabular.algorithms.sklearn.preprocessing import PREPROCESS, TEXTS
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.training import hard_rows as of_any_model

# The largest distance of values from the sample's range, in multiples of the range. float32 can't
# represent distances of 1e9 exactly, and no request has such values.
BEYOND = 10
MOST_SPLITS = 100_000


def hard_rows(model: Any, sample: Floats, columns: Columns, takes_missing: bool) -> Floats:
    """Make the rows on which a compiled estimator is compared with the original.

    Parameters
    ----------
    sample : float32 array, (rows, columns)
        Rows of the training data.
    takes_missing : bool
        Whether to make rows with missing values.

    Returns
    -------
    float32 array, (more rows, columns)
        Rows that scikit-learn accepts: no infinite values, no codes without a text.
    """
    texts = np.array(sorted(columns.categories), np.int64)
    rows = of_any_model.hard_rows(sample, _splits(model, columns), texts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all values of a column may be missing
        low, high = np.nanmin(sample, axis=0), np.nanmax(sample, axis=0)
    reach = BEYOND * np.maximum(high - low, 1)
    rows = rows[~np.isinf(rows).any(axis=1)].clip(low - reach, high + reach)
    for column in texts.tolist():
        codes = rows[:, column]
        known = np.isnan(codes) | np.isin(codes, np.arange(len(columns.categories[column])))
        codes[~known] = UNKNOWN
    return rows if takes_missing else rows[~np.isnan(rows).any(axis=1)]


def _splits(model: Any, columns: Columns) -> list[tuple[int, float]]:
    """Return the splits of the trees: column and value."""
    last, places = model, list(range(columns.count))
    if isinstance(model, Pipeline):
        # The output of the preprocessing begins with the numbers, and then the dates.
        if PREPROCESS in model.named_steps:
            names = {name: place for place, name in enumerate(columns.names)}
            places = [
                names.get(each, each)
                for step, _, chosen in model.named_steps[PREPROCESS].transformers_
                if step not in (TEXTS, "remainder")
                for each in chosen
            ]
        last = model.steps[-1][1]
    found: set[tuple[int, float]] = set()
    for feature, value in _nodes(last):
        if feature < len(places):
            found.add((places[feature], value))
        if len(found) >= MOST_SPLITS:
            break
    return sorted(found)


def _nodes(estimator: BaseEstimator) -> Iterator[tuple[int, float]]:
    for tree in trees_of(estimator):
        inner = tree.feature >= 0
        yield from zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True)
    for every in binned_trees_of(estimator):
        nodes = every[every["is_leaf"] == 0]
        yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)


def binned_trees_of(estimator: Any) -> list[npt.NDArray[Any]]:
    """Return the nodes of each tree of histogram boosting, also in a pipeline's last step."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return [predictor.nodes for stage in getattr(last, "_predictors", ()) for predictor in stage]


def trees_of(estimator: Any) -> Iterator[Any]:
    """Yield the trees of an estimator or ensemble, also in a pipeline's last step."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if hasattr(last, "tree_"):
        yield last.tree_
    for member in np.ravel(np.asarray(getattr(last, "estimators_", ()), dtype=object)):
        yield from trees_of(member)
