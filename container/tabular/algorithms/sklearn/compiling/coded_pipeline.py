"""Make a pipeline that takes codes in place of texts, so that the graph has one float32 input.

Requests are read into one float32 array, in which each text is replaced by its code in the manifest
(``tabular.data.columns``). The new pipeline shares all fitted steps with the original pipeline,
except the encoder of texts, which is replaced by an encoder of codes.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from tabular.algorithms.sklearn.preprocessing import (
    ENCODE,
    IMPUTE,
    MISSING_TEXT,
    PREPROCESS,
    TEXTS,
)
from tabular.data.columns import Columns

# The code of a missing text. The code of an unknown text is -1.
MISSING = -2.0


def coded_pipeline(model: Any, columns: Columns) -> Any:
    """Return a fitted pipeline that takes codes; return other models unchanged.

    Raises
    ------
    ValueError
        A text column has the empty text, which also represents a missing value.
    """
    if not isinstance(model, Pipeline) or PREPROCESS not in model.named_steps:
        return model
    before = model.named_steps[PREPROCESS]
    coded = copy.copy(model)
    coded.steps = [(PREPROCESS, _by_place(before, columns)), *model.steps[1:]]
    return coded


def _by_place(before: ColumnTransformer, columns: Columns) -> ColumnTransformer:
    places = {name: place for place, name in enumerate(columns.names)}
    coded = copy.copy(before)
    coded.transformers_ = [
        (
            name,
            _of_codes(fitted, [places.get(each, each) for each in chosen], columns)
            if name == TEXTS
            else _of_floats(fitted),
            [places.get(each, each) for each in chosen],
        )
        for name, fitted, chosen in before.transformers_
        if fitted != "drop"
    ]
    # With this attribute, scikit-learn would expect columns with these names.
    if hasattr(coded, "feature_names_in_"):
        del coded.feature_names_in_
    return coded


def _of_floats(fitted: Any) -> Any:
    """Return the steps for numbers; float32 needs no change of its type."""
    steps = [each for each in fitted.steps if not isinstance(each[1], FunctionTransformer)]
    return Pipeline(steps) if steps else "passthrough"


def _of_codes(fitted: Pipeline, places: list[int], columns: Columns) -> Pipeline:
    encoder = fitted.named_steps[ENCODE]
    codes = []
    for place, texts in zip(places, encoder.categories_, strict=True):
        known = {text: code for code, text in enumerate(columns.categories[place])}
        if MISSING_TEXT in known:
            raise ValueError("a column of text has an empty text, which means a missing value")
        codes.append(np.array([known.get(text, MISSING) for text in texts]))
    row = np.zeros((1, len(places)))
    imputer = SimpleImputer(strategy="constant", fill_value=MISSING).fit(row)
    coded = OneHotEncoder(handle_unknown="ignore", sparse_output=encoder.sparse_output).fit(row)
    coded.categories_ = codes
    return Pipeline([(IMPUTE, imputer), (ENCODE, coded)])
