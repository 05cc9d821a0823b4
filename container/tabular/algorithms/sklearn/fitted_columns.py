"""Find the input columns of a fitted estimator that has no manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from tabular.algorithms.sklearn.encoded import TEXT, UNKNOWN, EncodedColumn, encoded_column
from tabular.contract.errors import UserError
from tabular.data.columns import Columns

# Fitted attributes that hold one estimator which takes the same columns: searches, targets that are
# transformed, and histogram trees with columns of categories.
WRAPPED = ("best_estimator_", "regressor_", "estimator_", "_preprocessor")


@dataclass(frozen=True)
class FittedColumns:
    """The input columns of an estimator.

    Attributes
    ----------
    columns : Columns
    encoded : mapping of int to EncodedColumn
        The columns that an encoder reads.
    by_name : bool
        A step of the estimator selects columns by name.
    """

    columns: Columns
    encoded: Mapping[int, EncodedColumn]
    by_name: bool


@dataclass(frozen=True)
class _Reader:
    """A step that reads input columns as they are: ``categories`` are those of an encoder."""

    at: Sequence[int]
    categories: Sequence[Any] | None = None
    by_name: bool = False


def fitted_columns(estimator: Any) -> FittedColumns:
    """Return the input columns of a fitted estimator: number, names, and values of the encoders.

    Raises
    ------
    UserError
        The estimator does not have ``n_features_in_``, or a column of numbers is encoded and is
        also used as a number, and float32 can't tell its categories apart.
    """
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise UserError(
            f"the {type(estimator).__name__} has no n_features_in_: it is not fitted, or its "
            "first step takes text; serve it by a script with model_fn"
        )
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    readers = list(_readers(estimator, range(int(count))))
    found: dict[int, EncodedColumn] = {}
    for reader in readers:
        for place, known in zip(reader.at, reader.categories or (), strict=False):
            column = encoded_column(known)
            if column is not None and place not in found:
                found[place] = column
    plain = {place for reader in readers if reader.categories is None for place in reader.at}
    shared = {place for place in plain & found.keys() if found[place].numbers}
    for place in shared:
        if not found[place].exact:
            raise UserError(
                f"column {names[place] if names else place + 1} is encoded and also used as a "
                "number, and its values differ by less than 32 bits hold; serve the model by a "
                "script with input_fn"
            )
    columns = Columns(
        int(count),
        names=names,
        categories={at: column.values for at, column in found.items() if not column.numbers},
        values={at: column.values for at, column in found.items() if at not in shared},
        booleans=[place for place in shared if found[place].kind == "b"],
        unknown=UNKNOWN,
    )
    return FittedColumns(columns, found, any(reader.by_name for reader in readers))


def _readers(step: Any, at: Sequence[int]) -> Iterator[_Reader]:
    """Yield each step that reads input columns as they are.

    Parameters
    ----------
    at : sequence of int
        The input columns that the step takes.
    """
    wrapped = [getattr(step, name, None) for name in WRAPPED]
    inner = [each for each in wrapped if getattr(each, "n_features_in_", None) == len(at)]
    if isinstance(step, Pipeline):
        yield from _of_pipeline(step, at)
    elif isinstance(step, ColumnTransformer):
        yield from _of_transformers(step, at)
    elif isinstance(step, FeatureUnion):
        for _, each in step.transformer_list:
            yield from _readers(each, at)
    elif len(known := getattr(step, "categories_", ())) == len(at):
        yield _Reader(at, known)
    elif inner:
        yield from _readers(inner[0], at)
    elif several := _several(step):
        for each in several:
            yield from _readers(each, at)
    elif not (isinstance(step, str) and step == "drop"):
        yield _Reader(at)


def _several(step: Any) -> Sequence[Any]:
    """Return the estimators of a vote, of a stack or of a calibration."""
    named = getattr(step, "named_estimators_", None)
    if named:
        return [each for each in named.values() if not isinstance(each, str)]
    return [each.estimator for each in getattr(step, "calibrated_classifiers_", ())]


def _of_pipeline(step: Pipeline, at: Sequence[int]) -> Iterator[_Reader]:
    steps = [each for _, each in step.steps]
    for place, each in enumerate(steps):
        if _keeps_columns(each, at) and place + 1 < len(steps):
            continue
        # Behind another step, only an encoder of text says what the columns hold.
        behind = (getattr(later, "categories_", ()) for later in steps[place + 1 :])
        later = next((known for known in behind if len(known) == len(at)), None)
        if later is not None and all(known.dtype.kind in TEXT for known in later):
            yield _Reader(at, later)
        else:
            yield from _readers(each, at)
        return


def _keeps_columns(step: Any, at: Sequence[int]) -> bool:
    """Return whether a step of a pipeline hands on the values of its columns as they are."""
    if step is None or isinstance(step, str):
        return True
    if isinstance(step, SimpleImputer):
        return not step.add_indicator and len(step.get_feature_names_out()) == len(at)
    return isinstance(step, FunctionTransformer) and step.func is None


def _of_transformers(step: ColumnTransformer, at: Sequence[int]) -> Iterator[_Reader]:
    names = list(getattr(step, "feature_names_in_", ()))
    for _, fitted, chosen in step.transformers_:
        places = _places(chosen, names, len(at))
        by_name = any(isinstance(each, str) for each in _list(chosen))
        yield _Reader((), by_name=by_name)
        yield from _readers(fitted, [at[place] for place in places])


def _list(chosen: Any) -> Sequence[Any]:
    if isinstance(chosen, slice):
        return [chosen.start, chosen.stop]
    return [chosen] if isinstance(chosen, (str, int)) else list(chosen)


def _places(chosen: Any, names: Sequence[str], count: int) -> Sequence[int]:
    """Return the positions of the columns that a ColumnTransformer selects for a step."""
    if isinstance(chosen, slice):
        if not any(isinstance(each, str) for each in (chosen.start, chosen.stop)):
            return range(count)[chosen]
        first = 0 if chosen.start is None else names.index(chosen.start)
        last = count if chosen.stop is None else names.index(chosen.stop) + 1
        return range(first, last)
    listed = _list(chosen)
    if listed and all(isinstance(each, (bool, np.bool_)) for each in listed):
        return [int(place) for place in np.flatnonzero(np.asarray(listed))]
    return [
        names.index(each) if isinstance(each, str) else range(count)[int(each)] for each in listed
    ]
