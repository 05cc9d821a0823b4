"""``preprocess=auto``: the steps before the estimator in the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_array

from tabular.contract.errors import UserError
from tabular.data.columns import Columns

# Modules of estimators for which the scale of a feature has no effect.
SCALE_FREE = frozenset(
    {
        "sklearn.tree",
        "sklearn.ensemble",
        "sklearn.naive_bayes",
        "sklearn.dummy",
        "sklearn.preprocessing",
        "sklearn.impute",
        "sklearn.compose",
        "sklearn.feature_selection",
    }
)
# These estimators handle missing values themselves.
OWN_MISSING = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
# Each distinct text becomes a column. A column with more texts is probably an identifier.
MOST_TEXTS = 1000
PREPROCESS, MODEL = "preprocess", "model"
NUMBERS, TEXTS = "numbers", "texts"
ROUND, WIDEN, IMPUTE, ENCODE, SCALE = "round", "widen", "impute", "encode", "scale"
# Replaces a missing text. No other text is empty, because an empty cell of CSV is missing.
MISSING_TEXT = ""


def pipeline_of(estimator: BaseEstimator, columns: Columns) -> Pipeline:
    """Make a pipeline of an estimator and the imputers, encoders and scalers that it needs.

    Raises
    ------
    UserError
        A text column has too many distinct texts.
    """
    for column, texts in columns.categories.items():
        if len(texts) > MOST_TEXTS:
            raise UserError(
                f"column {_shown(columns, column)} has {len(texts)} different texts, more than "
                f"{MOST_TEXTS}: is it an identifier? Leave it out (hyperparameter drop), or "
                "encode it"
            )
    names = columns.features.names
    numbers, texts_at = (
        _named([columns.starts[at] for at in plain_columns(columns, texts)], names)
        for texts in (False, True)
    )
    dates = [
        (date_step(column), _for_numbers(estimator), _named(date_places(columns, column), names))
        for column in sorted(columns.dates)
    ]
    before = ColumnTransformer(
        [
            *([(NUMBERS, _for_numbers(estimator), numbers)] * bool(numbers)),
            *dates,
            *([(TEXTS, _for_texts(), texts_at)] * bool(texts_at)),
        ],
        sparse_threshold=0.3 if estimator.__sklearn_tags__().input_tags.sparse else 0,
        verbose_feature_names_out=False,
    )
    # From the hyperparameters, or empty for the preprocessing only
    if isinstance(estimator, ColumnTransformer):
        return Pipeline([(PREPROCESS, estimator if estimator.transformers else before)])
    return Pipeline([(PREPROCESS, before), (MODEL, estimator)])


def _for_numbers(estimator: BaseEstimator) -> Any:
    """Return the steps for numbers, which also take pandas' nullable columns."""
    steps: list[tuple[str, Any]] = []
    if _has_histograms(estimator):
        # Requests have float32, and histogram boosting may split beside a number that float32
        # rounds. The other steps compute in float64.
        steps = [(ROUND, _as_floats("float32")), (WIDEN, _as_floats("float64"))]
    if type(estimator).__name__ not in OWN_MISSING:
        steps.append((IMPUTE, SimpleImputer(strategy="median", keep_empty_features=True)))
    if needs_scaling(estimator):
        steps.append((SCALE, StandardScaler()))
    return Pipeline(steps)


def _as_floats(dtype: str) -> FunctionTransformer:
    options = {"dtype": dtype, "ensure_all_finite": False}
    return FunctionTransformer(check_array, kw_args=options, feature_names_out="one-to-one")


def _for_texts() -> Pipeline:
    """Return the steps for texts, which also take the frames of a user of the saved pipeline.

    pandas writes a missing text as NaN, None or NA: ``missing_values=NA`` is all of them. For an
    unknown text the encoder warns, and goes on as with ``ignore``. Requests are matched without
    regard to case and blanks before they come here. No transformer of scikit-learn does that for
    a frame: the encoder warns of such a text.
    """
    import pandas

    imputer = SimpleImputer(missing_values=pandas.NA, strategy="constant", fill_value=MISSING_TEXT)
    return Pipeline([(IMPUTE, imputer), (ENCODE, OneHotEncoder(handle_unknown="warn"))])


def needs_scaling(estimator: BaseEstimator) -> bool:
    """Return whether the scale of features affects an estimator or an estimator inside it."""
    wrapped = _wrapped(estimator)
    if wrapped:
        return any(map(needs_scaling, wrapped))
    return ".".join(type(estimator).__module__.split(".")[:2]) not in SCALE_FREE


def _has_histograms(estimator: BaseEstimator) -> bool:
    """Return whether an estimator, or an estimator inside it, is histogram gradient boosting."""
    return type(estimator).__name__ in OWN_MISSING or any(map(_has_histograms, _wrapped(estimator)))


def _wrapped(estimator: BaseEstimator) -> list[BaseEstimator]:
    """Return the estimators inside an estimator."""
    given = estimator.get_params(deep=False)
    named = [each for entry in given.get("estimators") or () for each in entry]
    inner = [given.get("estimator"), given.get("regressor"), *named]
    return [each for each in inner if isinstance(each, BaseEstimator)]


def plain_columns(columns: Columns, texts: bool) -> list[int]:
    """Return the columns of text, or those of numbers; dates are neither."""
    return [
        column
        for column in range(columns.count)
        if column not in columns.dates and (column in columns.categories) == texts
    ]


def date_places(columns: Columns, column: int) -> list[int]:
    """Return the places of the features of a column of dates."""
    return list(range(columns.starts[column], columns.starts[column + 1]))


def date_step(column: int) -> str:
    """Return the name of the step for a column of dates."""
    return f"date{column}"


def _named(places: Sequence[int], names: Sequence[str]) -> list[Any]:
    """Return the names of columns (a frame may have another order), or indices without names."""
    return [names[place] for place in places] if names else list(places)


def _shown(columns: Columns, column: int) -> str:
    return f"'{columns.names[column]}'" if columns.names else f"number {column + 1}"
