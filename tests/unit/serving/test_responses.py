from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tabular.serving.errors import RequestError
from tabular.serving.responses import choose, csv_body, json_body

SCORES = np.array([8.468644142150879, 1.6134401559829712], np.float32)
CLASSES = np.array(
    [[0.08238518983125687, 0.08345650881528854, 0.8341583013534546], [1, 0, 0]], np.float32
)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
scores = arrays(np.float32, array_shapes(max_dims=2, max_side=5), elements=finite)


def test_csv_is_awss_to_the_byte() -> None:
    assert csv_body(SCORES) == b"8.468644142150879\n1.6134401559829712\n"


def test_csv_of_several_classes_is_awss_to_the_byte() -> None:
    first = csv_body(CLASSES).splitlines()[0]
    assert first == b"0.08238518983125687,0.08345650881528854,0.8341583013534546"


def test_json_is_awss_to_the_byte() -> None:
    expected = b'{"predictions": [{"score": 8.468644142150879}, {"score": 1.6134401559829712}]}'
    assert json_body(SCORES) == expected


def test_json_of_several_classes_has_a_list_a_row() -> None:
    assert json.loads(json_body(CLASSES))["predictions"][1] == {"score": [1.0, 0.0, 0.0]}


@given(scores)
def test_csv_loses_nothing(values: np.ndarray) -> None:
    read = [[float(cell) for cell in line.split(",")] for line in csv_body(values).decode().split()]
    np.testing.assert_array_equal(np.array(read, np.float32).reshape(values.shape), values)


@given(scores)
def test_json_loses_nothing(values: np.ndarray) -> None:
    read = [row["score"] for row in json.loads(json_body(values))["predictions"]]
    np.testing.assert_array_equal(np.array(read, np.float32), values)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("text/csv", "text/csv"),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html, application/json", "application/json"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json, */*;q=0.1", "application/json"),
        ("image/png, */*", "text/csv"),
    ],
)
def test_content_type_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose(accept, "text/csv") == chosen


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/csv;q=0.5, application/json;q=0.5"])
def test_default_wins_among_equals(accept: str | None) -> None:
    assert choose(accept, "application/json") == "application/json"


@pytest.mark.parametrize("accept", ["image/png", "text/html", "nonsense", "application/jsonlines"])
def test_other_type_is_refused_in_the_words_of_aws(accept: str) -> None:
    with pytest.raises(RequestError, match=f"^Accept type {accept} is not supported. Please use"):
        choose(accept, "text/csv")


def test_refusal_has_status_406() -> None:
    with pytest.raises(RequestError) as caught:
        choose("image/png", "text/csv")
    assert caught.value.status == 406
