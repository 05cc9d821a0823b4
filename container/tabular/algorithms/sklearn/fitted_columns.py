"""Find the input columns of a fitted estimator that has no manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from tabular.algorithms.sklearn.frames import UNKNOWN
from tabular.contract.errors import UserError
from tabular.data.columns import Columns

TEXT = "OU"  # NumPy's kinds


def columns_of(estimator: Any) -> Columns:
    """Return the input columns of a fitted estimator: number, names, and texts of the encoders.

    Raises
    ------
    UserError
        The estimator does not have ``n_features_in_``.
    """
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise UserError(
            f"the {type(estimator).__name__} has no n_features_in_: it is not fitted, or its "
            "first step takes text; serve it by a script with model_fn"
        )
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    places = {name: place for place, name in enumerate(names)}
    categories: dict[int, Sequence[str]] = {}
    for fitted, chosen in _parts(estimator):
        at = [places[each] if isinstance(each, str) else int(each) for each in chosen]
        categories |= _texts(fitted, at)
    return Columns(int(count), names=names, categories=categories, unknown=UNKNOWN)


def takes_frames(estimator: Any) -> bool:
    """Return whether an estimator needs a frame, to select columns by name or to encode text."""
    return any(
        isinstance(each, str) or _texts(fitted, [0] * len(chosen))
        for fitted, chosen in _parts(estimator)
        for each in chosen
    )


def _parts(estimator: Any) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Yield the transformers of a ColumnTransformer in the first step, with their columns."""
    first = estimator
    while isinstance(first, Pipeline):
        first = first.steps[0][1]
    if not isinstance(first, ColumnTransformer):
        return
    for name, fitted, chosen in first.transformers_:
        if isinstance(chosen, (str, int)):
            chosen = [chosen]
        if name != "remainder" and isinstance(chosen, (list, tuple, np.ndarray)):
            listed = np.asarray(chosen)
            places = np.flatnonzero(listed) if listed.dtype == bool else listed
            yield fitted, places.tolist()


def _texts(fitted: Any, at: Sequence[int]) -> Mapping[int, Sequence[str]]:
    """Return the texts of an encoder, by column. In a pipeline, other steps may precede it."""
    steps = [step for _, step in fitted.steps] if isinstance(fitted, Pipeline) else [fitted]
    for step in steps:
        known = getattr(step, "categories_", None)
        if known is not None and len(known) == len(at):
            return {
                place: tuple(text for text in texts.tolist() if isinstance(text, str))
                for place, texts in zip(at, known, strict=True)
                if texts.dtype.kind in TEXT
            }
    return {}
