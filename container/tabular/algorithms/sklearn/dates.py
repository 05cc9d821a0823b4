"""Dates in the saved pipeline, which takes them as a frame of pandas has them.

The estimator is fitted on the features of dates that all formats share (``data.dates``), and so it
is served. The pipeline in ``model.joblib`` makes the same features of a date itself, with parts of
NumPy, pandas and scikit-learn alone, so that it loads where this package is not installed.
"""

from __future__ import annotations

import copy
from operator import attrgetter
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_array

from tabular.algorithms.sklearn.estimator_names import PARTS_OF_DATES
from tabular.algorithms.sklearn.preprocessing import (
    PREPROCESS,
    TEXTS,
    date_places,
    date_step,
    plain_columns,
)
from tabular.data.columns import Columns
from tabular.data.dates import DATE_FEATURES, STEPS, DateColumn

DATE, FITTED = "date", "fitted"
MICROSECONDS = 1e6
# NumPy's missing date as a number.
NOT_A_TIME = float(np.iinfo(np.int64).min)
EXAMPLE = "2026-11-28"


def with_dates(model: Any, columns: Columns) -> Any:
    """Return a fitted pipeline that takes dates; ``model`` takes their features.

    A model without the steps of ``preprocessing.pipeline_of`` stays as it is.
    """
    steps = _date_steps(model, columns)
    if not steps:
        return model
    import pandas

    before = model.named_steps[PREPROCESS]
    keys = columns.names or range(columns.count)
    entries: list[tuple[str, Any, Any]] = []
    for name, step, _ in before.transformers_:
        fitted = FrozenEstimator(_without_names(step) if name in steps else step)
        if name in steps:
            column = steps[name]
            made = Pipeline([(DATE, _features(columns.dates[column])), (FITTED, fitted)])
            entries.append((name, made, keys[column]))
        else:
            chosen = [keys[at] for at in plain_columns(columns, texts=name == TEXTS)]
            entries.append((name, fitted, chosen))
    row = [
        EXAMPLE if at in columns.dates else columns.categories.get(at, (0.0,))[0]
        for at in range(columns.count)
    ]
    taken = ColumnTransformer(
        entries, sparse_threshold=before.sparse_threshold, verbose_feature_names_out=False
    ).fit(pandas.DataFrame([row], columns=list(keys)))
    taken.sparse_output_ = before.sparse_output_
    taken.transformers_ = [(name, _unfrozen(step), at) for name, step, at in taken.transformers_]
    return Pipeline([(PREPROCESS, taken), *model.steps[1:]])


def _unfrozen(step: Any) -> Any:
    """Return the fitted step that ``FrozenEstimator`` kept from being fitted again."""
    if isinstance(step, Pipeline):
        return Pipeline([step.steps[0], (FITTED, step.named_steps[FITTED].estimator)])
    return step.estimator


def _without_names(step: Any) -> Any:
    """Return fitted steps that do not warn of an array, which has no names."""
    found = copy.deepcopy(step)
    for _, each in found.steps:
        if hasattr(each, "feature_names_in_"):
            del each.feature_names_in_
    return found


def without_dates(model: Any, columns: Columns) -> Any:
    """Return a pipeline that takes the features of dates, of one that ``with_dates`` made."""
    steps = _date_steps(model, columns)
    if not steps:
        return model
    before = model.named_steps[PREPROCESS]
    taken = copy.copy(before)
    taken.transformers_ = []
    for name, step, _ in before.transformers_:
        if name in steps:
            entry = step.named_steps[FITTED], date_places(columns, steps[name])
        else:
            at = plain_columns(columns, texts=name == TEXTS)
            entry = step, [columns.starts[column] for column in at]
        taken.transformers_.append((name, *entry))
    taken.n_features_in_ = columns.features.count
    # With this attribute, scikit-learn would expect columns with these names.
    if hasattr(taken, "feature_names_in_"):
        del taken.feature_names_in_
    return Pipeline([(PREPROCESS, taken), *model.steps[1:]])


def _date_steps(model: Any, columns: Columns) -> dict[str, int]:
    """Return the column of each step that ``preprocessing.pipeline_of`` makes for dates."""
    if not (columns.dates and isinstance(model, Pipeline) and PREPROCESS in model.named_steps):
        return {}
    there = {name for name, _, _ in model.named_steps[PREPROCESS].transformers_}
    names = {date_step(column): column for column in columns.dates}
    return names if names.keys() <= there else {}


def _features(date: DateColumn) -> Pipeline:
    """Return the steps from a column of dates, a series or array, to ``DATE_FEATURES``."""
    since_first = make_pipeline(
        _call(np.asarray, dtype="datetime64[us]"),
        _call(np.asarray, dtype="int64"),
        _call(np.expand_dims, axis=1),
        _call(check_array, dtype="float64"),
        SimpleImputer(
            missing_values=NOT_A_TIME,
            strategy="constant",
            fill_value=np.nan,
            keep_empty_features=True,
        ),
        _scaled(date.first * MICROSECONDS, MICROSECONDS / STEPS),
        _call(np.floor),
        _scaled(0.0, STEPS),
        _call(check_array, dtype="float32", ensure_all_finite=False),
    )
    parts = [
        (name, make_pipeline(_call(attrgetter(name)), _call(np.expand_dims, axis=1)))
        for name in PARTS_OF_DATES
    ]
    import pandas

    return make_pipeline(
        _call(np.asarray),
        # Text of another format is an error, whatever the training files have: it may be misread.
        _call(pandas.to_datetime, utc=True, format="ISO8601"),
        FeatureUnion([(DATE_FEATURES[0], since_first), *parts]),
    )


def _scaled(offset: float, scale: float) -> FrozenEstimator:
    """Return a step that subtracts ``offset``, and divides by ``scale``."""
    scaler = StandardScaler().fit(np.zeros((1, 1)))
    scaler.mean_, scaler.scale_ = np.array([offset]), np.array([scale])
    return FrozenEstimator(scaler)


def _call(function: Any, **named: Any) -> FunctionTransformer:
    return FunctionTransformer(function, kw_args=named or None)
