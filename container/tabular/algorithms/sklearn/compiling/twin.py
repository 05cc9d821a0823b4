"""A model that takes codes where the original takes texts, so that its graph has one input.

Requests are read into one array of float32, in which a text is the number that the manifest
gives it (``tabular.data.columns``). The twin shares everything fitted with the original but the
encoder of texts, which it replaces by one of their codes.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from tabular.algorithms.sklearn.preprocessing import (
    ENCODE,
    IMPUTE,
    MISSING_TEXT,
    PREPROCESS,
    TEXTS,
)
from tabular.data.columns import Columns

# The code of a missing text; -1 is that of an unknown one.
MISSING = -2.0


def twin_of(model: Any, columns: Columns) -> Any:
    """Make the twin of a fitted model.

    Raises
    ------
    ValueError
        A text can't be told from a missing one.
    """
    if not isinstance(model, Pipeline) or PREPROCESS not in model.named_steps:
        return model
    before = model.named_steps[PREPROCESS]
    twin = copy.copy(model)
    twin.steps = [(PREPROCESS, _by_place(before, columns)), *model.steps[1:]]
    return twin


def _by_place(before: ColumnTransformer, columns: Columns) -> ColumnTransformer:
    places = {name: place for place, name in enumerate(columns.names)}
    twin = copy.copy(before)
    twin.transformers_ = [
        (
            name,
            _of_codes(fitted, [places.get(each, each) for each in chosen], columns)
            if name == TEXTS
            else fitted,
            [places.get(each, each) for each in chosen],
        )
        for name, fitted, chosen in before.transformers_
        if fitted != "drop"
    ]
    # By names it would look for columns of these names.
    if hasattr(twin, "feature_names_in_"):
        del twin.feature_names_in_
    return twin


def _of_codes(fitted: Pipeline, places: list[int], columns: Columns) -> Pipeline:
    encoder = fitted.named_steps[ENCODE]
    codes = []
    for place, texts in zip(places, encoder.categories_, strict=True):
        known = columns.codes[place]
        if MISSING_TEXT in known:
            raise ValueError("a column of text has an empty text, which stands for a missing one")
        codes.append(np.array([known.get(text, MISSING) for text in texts]))
    row = np.zeros((1, len(places)))
    imputer = SimpleImputer(strategy="constant", fill_value=MISSING).fit(row)
    twin = OneHotEncoder(handle_unknown="ignore", sparse_output=encoder.sparse_output).fit(row)
    twin.categories_ = codes
    return Pipeline([(IMPUTE, imputer), (ENCODE, twin)])
