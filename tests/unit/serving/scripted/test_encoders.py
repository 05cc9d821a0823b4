"""Columns that an encoder was fitted on: requests in all formats give the answers to the frame."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor
from tabular.contract.errors import RequestError
from tabular.data.formats import format_of
from tabular.serving.scripted.model import defaults_for

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
NPY, PARQUET = "application/x-npy", "application/x-parquet"
ROWS = 120
Ask = Callable[[Any, bytes, str], Any]


def algorithm_mode(model: Any, body: bytes, content_type: str) -> Any:
    predictor = EstimatorPredictor(model)
    return predictor.predict(format_of(content_type).read_body(body, predictor.columns))


def script(model: Any, body: bytes, content_type: str) -> Any:
    defaults = defaults_for(model, custom_predict=False)
    assert defaults.predict is not None
    found = defaults.predict(defaults.read(body, content_type))
    return found.toarray() if hasattr(found, "toarray") else found


both = pytest.mark.parametrize("ask", [algorithm_mode, script])


def spread(values: Sequence[Any], dtype: Any = None) -> pandas.Series:
    return pandas.Series([values[row % len(values)] for row in range(ROWS)], dtype=dtype)


# The columns of an encoder, each with a meaning that differs for each value.
COLUMNS = {
    "whole": spread([10115, 10116, 10117, 10118]),
    "days": spread([20230115, 20230116, 20230117]),
    "identifiers": spread([9007199254740993, 9007199254740995, 3]),
    "int8": spread([1, 2, 127], "int8"),
    "booleans": spread([True, False]),
    "decimals": spread([0.1, 0.5, 2.0]),
    "float32": spread([0.1, 0.7, 3], "float32"),
    "with gaps": spread([0.1, None, 3.0]),
    "texts": spread(["Ulm", "Bonn", "x y"]),
    "digits": spread(["01", "1", "7"]),
    "words": spread(["True", "False"]),
    "none": spread(["a", None, "b"]),
    "nan": spread(["a", np.nan, "b"]),
    "objects": spread([1, 2, 3], object),
    "boolean objects": spread([True, False, None], object),
    "categories": spread(["u", "v"], "category"),
    "numbers as categories": spread([4, 5, 6], "category"),
    "boolean categories": spread([True, False], "category"),
    "Int64": spread([1, 2, 3], "Int64"),
    "Int64 with gaps": spread([1, 2, None], "Int64"),
    "boolean": spread([True, False], "boolean"),
    "boolean with gaps": spread([True, None, False], "boolean"),
    "Float64": spread([0.1, None, 3.5], "Float64"),
    "string": spread(["s", "t"], "string"),
}


def one_hot(**options: Any) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def fitted(frame: pandas.DataFrame, encoder: Any) -> Any:
    place = pandas.factorize(frame["c"], use_na_sentinel=False)[0]
    choose = ColumnTransformer([("c", encoder, ["c"])], remainder="passthrough")
    return make_pipeline(choose, LinearRegression()).fit(frame, 100.0 * place**2 + frame["x"])


def bodies(frame: pandas.DataFrame) -> dict[str, tuple[bytes, str]]:
    """Write a frame in each format; without what pandas writes in a lossy way."""
    rows = [
        [None if pandas.isna(value) else value for value in row]
        for row in frame.astype(object).to_numpy().tolist()
    ]
    named = [dict(zip(frame.columns, row, strict=True)) for row in rows]
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    target = io.BytesIO()
    pyarrow.parquet.write_table(table, target)
    return {
        "csv": (frame.to_csv(index=False, header=False).encode(), CSV),
        "header": (frame.to_csv(index=False).encode(), CSV),
        "json": (json.dumps(rows).encode(), JSON),
        "by name": (json.dumps(named).encode(), JSON),
        "lines": ("\n".join(map(json.dumps, named)).encode(), LINES),
        "parquet": (target.getvalue(), PARQUET),
    }


@both
@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize(
    "encoder",
    [
        one_hot(),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-7, encoded_missing_value=-3
        ),
    ],
    ids=["one-hot", "ordinal"],
)
def test_all_formats_give_the_answers_to_the_frame(ask: Ask, kind: str, encoder: Any) -> None:
    frame = pandas.DataFrame({"c": COLUMNS[kind], "x": spread([0.5, 1.5, 2.5, 9.0, 4.0])})
    model = fitted(frame, encoder)
    some = frame.iloc[:8]
    for name, (body, content_type) in bodies(some).items():
        if kind == "identifiers" and name in ("json", "by name", "lines"):
            with pytest.raises((RequestError, ValueError), match="64 bits"):
                ask(model, body, content_type)
            continue
        found = ask(model, body, content_type)
        np.testing.assert_allclose(found, model.predict(some), rtol=1e-6, err_msg=name)


@both
@pytest.mark.parametrize("kind", ["whole", "decimals", "booleans", "float32", "with gaps", "days"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_npy_gives_the_answers_to_the_frame(ask: Ask, kind: str, dtype: type) -> None:
    frame = pandas.DataFrame({"c": COLUMNS[kind], "x": spread([0.5, 1.5, 2.5])})
    model, some = fitted(frame, one_hot()), frame.iloc[:8]
    target = io.BytesIO()
    np.save(target, some.to_numpy(dtype))
    if kind == "days" and dtype is np.float32:
        with pytest.raises((RequestError, ValueError), match="32 bits"):
            ask(model, target.getvalue(), NPY)
        return
    found = ask(model, target.getvalue(), NPY)
    np.testing.assert_allclose(found, model.predict(some), rtol=1e-6)


@both
@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("whole", ["10115.0", "10116", " 10117", "1.0118e4"]),
        ("booleans", ["true", "False", "1", "0.0"]),
        ("decimals", ["0.10", "5e-1", "2", "2.000"]),
        ("words", ["true", "False", "TRUE", "false"]),
        ("digits", ["1", "1.0", "01", "7.00"]),
        ("boolean", ["True", "false", "1.0", "0"]),
    ],
)
def test_spelling_makes_no_value_unknown(ask: Ask, kind: str, cells: list[str]) -> None:
    meant = {
        "whole": [10115, 10116, 10117, 10118],
        "booleans": [True, False, True, False],
        "decimals": [0.1, 0.5, 2.0, 2.0],
        "words": ["True", "False", "True", "False"],
        "digits": ["1", "1", "01", "7"],
        "boolean": [1.0, 0.0, 1.0, 0.0],
    }[kind]
    frame = pandas.DataFrame({"c": COLUMNS[kind], "x": spread([0.5, 1.5, 2.5])})
    model = fitted(frame, one_hot())
    body = "".join(f"{cell},1.5\n" for cell in cells).encode()
    want = model.predict(pandas.DataFrame({"c": meant, "x": 1.5}))
    np.testing.assert_allclose(ask(model, body, CSV), want, rtol=1e-6)


@both
@pytest.mark.parametrize(
    ("kind", "cell"), [("whole", "Ulm"), ("whole", "true"), ("booleans", "2"), ("booleans", "ja")]
)
def test_value_of_another_kind_is_refused(ask: Ask, kind: str, cell: str) -> None:
    frame = pandas.DataFrame({"c": COLUMNS[kind], "x": spread([0.5, 1.5, 2.5])})
    model = fitted(frame, one_hot())
    with pytest.raises((RequestError, ValueError), match="is not a"):
        ask(model, f"{cell},1.5\n".encode(), CSV)


@both
@pytest.mark.parametrize(
    ("kind", "value"), [("whole", 10999), ("decimals", 0.3), ("texts", "Rom"), ("days", 20240101)]
)
def test_unknown_value_is_what_the_encoder_makes_of_it(ask: Ask, kind: str, value: Any) -> None:
    frame = pandas.DataFrame({"c": COLUMNS[kind], "x": spread([0.5, 1.5, 2.5])})
    model = fitted(frame, one_hot())
    want = model.predict(pandas.DataFrame({"c": [value], "x": 1.5}))
    for body, content_type in ((f"{value},1.5\n", CSV), (json.dumps([[value, 1.5]]), JSON)):
        np.testing.assert_allclose(ask(model, body.encode(), content_type), want, rtol=1e-6)
    strict = fitted(frame, OneHotEncoder())
    with pytest.raises((RequestError, ValueError), match="unknown categories"):
        ask(strict, f"{value},1.5\n".encode(), CSV)


FRAME = pandas.DataFrame(
    {
        "zip": spread([10115, 10116, 10117, 10118, 10119]),
        "flag": spread([True, False, False]),
        "size": spread([0.1, 0.5, 2.5, 3.5]),
        "town": spread(["Ulm", "Bonn", "01", "x"]),
        "x": spread([1.5, 2.5, 9.0, 4.0, 7.0, 0.25, 3.0]),
    }
)
ENCODED = ["zip", "flag", "size", "town"]
LABEL = (
    FRAME["zip"].rank() * 10
    + FRAME["flag"] * 1000
    + FRAME["size"] * 77
    + FRAME["town"].map({"Ulm": 0, "Bonn": 5000, "01": 300, "x": 40})
    + FRAME["x"]
)


def pipelines() -> dict[str, Any]:
    def choose(*steps: Any, **options: Any) -> ColumnTransformer:
        return ColumnTransformer([(str(at), *step) for at, step in enumerate(steps)], **options)

    frequent = SimpleImputer(strategy="most_frequent")
    return {
        "names": make_pipeline(choose((one_hot(), ENCODED), remainder="passthrough"), Ridge()),
        "positions": make_pipeline(
            choose((one_hot(), [0, 1, 2, 3]), remainder="passthrough"), Ridge()
        ),
        "slice": make_pipeline(choose((one_hot(), slice(0, 4)), remainder="passthrough"), Ridge()),
        "slice of names": make_pipeline(
            choose((one_hot(), slice("zip", "town")), remainder="passthrough"), Ridge()
        ),
        "mask": make_pipeline(
            choose((one_hot(), [True] * 4 + [False]), remainder="passthrough"), Ridge()
        ),
        "remainder": make_pipeline(choose(("passthrough", ["x"]), remainder=one_hot()), Ridge()),
        "encoder alone": make_pipeline(one_hot(), Ridge()),
        "nested": make_pipeline(
            make_pipeline(
                choose(
                    (make_pipeline(frequent, make_pipeline(one_hot())), ENCODED),
                    (StandardScaler(), ["x"]),
                )
            ),
            Ridge(),
        ),
        "identity first": make_pipeline(
            FunctionTransformer(), choose((one_hot(), ENCODED), ("passthrough", ["x"])), Ridge()
        ),
        "twice": make_pipeline(
            choose((one_hot(), ENCODED), ("passthrough", ["zip", "size", "flag", "x"])), Ridge()
        ),
        "union": make_pipeline(
            choose(
                (FeatureUnion([("a", one_hot()), ("b", OrdinalEncoder())]), ENCODED),
                remainder="passthrough",
            ),
            Ridge(),
        ),
        "drop": make_pipeline(
            choose((OneHotEncoder(drop="if_binary"), ENCODED), remainder="passthrough"), Ridge()
        ),
        "infrequent": make_pipeline(
            choose(
                (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30), ENCODED),
                remainder="passthrough",
            ),
            Ridge(),
        ),
        "target": make_pipeline(
            choose((TargetEncoder(random_state=0), ENCODED), remainder="passthrough"), Ridge()
        ),
        "given categories": make_pipeline(
            choose(
                (
                    OneHotEncoder(
                        categories=[
                            [10115, 10116, 10117, 10118, 10119],
                            [False, True],
                            [0.1, 0.5, 2.5, 3.5],
                            ["Ulm", "Bonn", "01", "x"],
                        ],
                        handle_unknown="error",
                    ),
                    ENCODED,
                ),
                remainder="passthrough",
            ),
            Ridge(),
        ),
        "bins": make_pipeline(
            choose(
                (KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["zip", "x"]),
                (one_hot(), ["town", "flag"]),
            ),
            Ridge(),
        ),
        "search": GridSearchCV(
            make_pipeline(choose((one_hot(), ENCODED), remainder="passthrough"), Ridge()),
            {"ridge__alpha": [0.1, 1.0]},
            cv=2,
        ),
        "columns": Pipeline([("only", choose((one_hot(), ENCODED), remainder="passthrough"))]),
        "trees": HistGradientBoostingRegressor(
            max_iter=9, min_samples_leaf=2, categorical_features=["zip", "flag", "size", "town"]
        ),
    }


@both
@pytest.mark.parametrize("name", pipelines())
def test_shape_of_the_pipeline_makes_no_difference(ask: Ask, name: str) -> None:
    model = pipelines()[name].fit(FRAME, LABEL)
    some = FRAME.iloc[:12]
    want = model.predict(some) if hasattr(model, "predict") else model.transform(some)
    for format_name, (body, content_type) in bodies(some).items():
        found = ask(model, body, content_type)
        np.testing.assert_allclose(found, want, rtol=2e-5, err_msg=format_name)


@both
def test_estimator_that_was_fitted_on_an_array(ask: Ask) -> None:
    for values in (
        FRAME[ENCODED].to_numpy(object),
        FRAME[["zip", "flag", "size"]].to_numpy(float),
    ):
        model = make_pipeline(one_hot(), Ridge()).fit(values, LABEL)
        some = pandas.DataFrame(values[:12])
        for name, (body, content_type) in bodies(some.set_axis(map(str, some), axis=1)).items():
            if name in ("csv", "json"):
                found = ask(model, body, content_type)
                np.testing.assert_allclose(found, model.predict(values[:12]), rtol=2e-5)


def test_rows_of_a_scripts_own_input_fn_are_read_too() -> None:
    model = pipelines()["names"].fit(FRAME, LABEL)
    predict = defaults_for(model, custom_predict=False).predict
    assert predict is not None
    some = FRAME.iloc[:12]
    rows = some.to_numpy(object)
    rows[:, :3] = rows[:, :3].astype(str)  # the csv module's cells
    for taken in (some, rows, some.to_numpy(object)):
        np.testing.assert_allclose(predict(taken), model.predict(some), rtol=2e-5)
