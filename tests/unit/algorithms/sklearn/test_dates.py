"""Dates in the saved pipeline: made of parts of other libraries, and taken off to serve."""

from __future__ import annotations

import io
import operator
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer

from tabular.algorithms.sklearn.dates import with_dates, without_dates
from tabular.algorithms.sklearn.frames import to_frame
from tabular.algorithms.sklearn.model import load_estimator, save_model
from tabular.algorithms.sklearn.preprocessing import PREPROCESS, pipeline_of
from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.data.dates import DateColumn, DateStyle, seconds_of

TEXTS = ["2026-11-28 10:30:00", "2025-02-01 23:59:59", "2026-03-01 00:00:00", ""]
FIRST = seconds_of("2025-02-01", DateStyle.YEAR_FIRST)
assert FIRST is not None


def columns_of(names: bool, style: DateStyle = DateStyle.YEAR_FIRST) -> Columns:
    return Columns(
        3,
        names=("x", "when", "city") if names else (),
        categories={2: ("Bonn", "Ulm")},
        dates={1: DateColumn(style, FIRST or 0.0)},
        lenient=True,
    )


def rows(columns: Columns) -> np.ndarray:
    read = [[at / 2, columns.cells(1).text(text), at % 2] for at, text in enumerate(TEXTS * 5)]
    return columns.expanded(np.array(read, np.float64))


def frame(columns: Columns, when: object) -> pandas.DataFrame:
    keys = columns.names or range(3)
    values = [np.arange(20) / 2, when, ["Bonn", "Ulm"] * 10]
    return pandas.DataFrame(dict(zip(keys, values, strict=True)))


@pytest.mark.parametrize("names", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("form", ["joblib", "skops"])
@pytest.mark.parametrize("estimator", [RandomForestRegressor(5), Ridge()], ids=["forest", "ridge"])
def test_saved_pipeline_takes_dates(
    tmp_path: Path, names: bool, form: str, estimator: object
) -> None:
    columns = columns_of(names)
    features = rows(columns)
    model = pipeline_of(estimator, columns)
    model.fit(to_frame(features, columns.features), np.arange(20.0))
    expected = model.predict(to_frame(features, columns.features))
    save_model(tmp_path, with_dates(model, columns), form)
    loaded = load_estimator(tmp_path / f"model.{form}")
    served = without_dates(loaded, columns)
    np.testing.assert_allclose(served.predict(to_frame(features, columns.features)), expected)
    moments = pandas.Series(pandas.to_datetime(TEXTS * 5))
    for when in (
        moments,
        moments.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        moments.astype("datetime64[s]"),
        pandas.Series([text or None for text in TEXTS * 5]),
        pandas.Series([text or None for text in TEXTS * 5], dtype="string"),
    ):
        np.testing.assert_allclose(loaded.predict(frame(columns, when)), expected)


@pytest.mark.parametrize("style", DateStyle)
def test_saved_pipeline_takes_iso_texts_alone(style: DateStyle) -> None:
    """Text in another order, or a number, may be misread: it is an error."""
    columns = columns_of(True, style)
    features = rows(columns)
    model = pipeline_of(Ridge(), columns)
    model.fit(to_frame(features, columns.features), np.arange(20.0))
    saved = with_dates(model, columns)
    iso = frame(columns, [text or None for text in TEXTS * 5])
    np.testing.assert_allclose(
        saved.predict(iso), model.predict(to_frame(features, columns.features))
    )
    for when in ("28.11.2026", "11/28/2026", 1795861800, 1.5, True):
        with pytest.raises((ValueError, TypeError)):
            saved.predict(frame(columns, [when] * 20))


def test_saved_pipeline_names_what_is_no_date() -> None:
    columns = columns_of(True)
    features = rows(columns)
    model = pipeline_of(Ridge(), columns)
    model.fit(to_frame(features, columns.features), np.arange(20.0))
    with pytest.raises(ValueError, match="soon"):
        with_dates(model, columns).predict(frame(columns, ["soon"] * 20))


def test_pipeline_without_dates_stays() -> None:
    columns = Columns(1, names=("x",))
    model = pipeline_of(Ridge(), columns)
    assert with_dates(model, columns) is model
    assert without_dates(model, columns) is model
    assert with_dates(Ridge(), columns_of(True)).__class__ is Ridge


def test_saved_pipeline_needs_no_module_of_this_package(tmp_path: Path) -> None:
    columns = columns_of(True)
    model = pipeline_of(Ridge(), columns)
    model.fit(to_frame(rows(columns), columns.features), np.arange(20.0))
    file = io.BytesIO()
    joblib.dump(with_dates(model, columns), file)
    assert b"tabular" not in file.getvalue()


@pytest.mark.parametrize("form", ["joblib", "skops"])
@pytest.mark.parametrize(
    "getter",
    [
        operator.attrgetter("__class__.__init__.__globals__"),
        operator.attrgetter("year.__class__"),
        operator.attrgetter("year", "values"),
        operator.attrgetter("to_pickle"),
    ],
    ids=["globals", "class", "two", "method"],
)
def test_other_attributes_of_dates_are_refused(
    tmp_path: Path, form: str, getter: operator.attrgetter[object]
) -> None:
    columns = columns_of(True)
    model = pipeline_of(Ridge(), columns)
    model.fit(to_frame(rows(columns), columns.features), np.arange(20.0))
    hostile = with_dates(model, columns)
    hostile.named_steps[PREPROCESS].transformers_.append(
        ("other", FunctionTransformer(getter), ["x"])
    )
    with pytest.raises(UserError, match=r"reads the attributes|attrgetter"):
        save_model(tmp_path, hostile, form)
