"""Waiting requests are predicted in one call, and each gets its own scores."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tabular.algorithms.batching import SMALL_ROWS, Batched, batched_if_faster
from tabular.algorithms.predictor import Meaning, Predictor, PredictorWrapper, _Forwarded
from tabular.contract.errors import RequestError
from tabular.data.batch import Floats
from tabular.data.columns import Columns


class Slow(Predictor):
    """Doubles the first column, slowly."""

    columns, meaning, engine = Columns(2), Meaning(""), "slow"

    def __init__(self, seconds: float = 0.02, seconds_per_row: float = 0) -> None:
        self.calls: list[int] = []
        self._seconds, self._per_row = seconds, seconds_per_row
        self._lock = threading.Lock()

    def predict(self, rows: Floats) -> Floats:
        with self._lock:
            self.calls.append(len(rows))
        time.sleep(self._seconds + self._per_row * len(rows))
        if (rows[:, 0] < 0).any():
            raise RequestError(400, "below zero")
        if np.isinf(rows).any():
            raise ZeroDivisionError
        return rows[:, 0] * 2

    def probabilities(self, rows: Floats) -> Floats:
        with self._lock:
            self.calls.append(len(rows))
        time.sleep(self._seconds)
        return rows


def row(value: float, count: int = 1) -> Floats:
    return np.full((count, 2), value, np.float32)


def ask_all(batched: Predictor, values: list[float]) -> list[object]:
    def ask(value: float) -> object:
        try:
            return batched.predict(row(value)).tolist()
        except Exception as error:
            return type(error).__name__

    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(ask, values))


def test_each_request_gets_its_own_scores() -> None:
    slow = Slow()
    assert ask_all(Batched(slow), [float(n) for n in range(20)]) == [[n * 2.0] for n in range(20)]
    assert len(slow.calls) < 20
    assert sum(slow.calls) == 20


def test_request_is_predicted_alone_if_no_prediction_runs() -> None:
    slow = Slow()
    Batched(slow).predict(row(1))
    assert slow.calls == [1]


def test_request_error_reaches_only_its_own_request() -> None:
    answers = ask_all(Batched(Slow()), [1, -1, 2, 3, -2, 4])
    assert answers == [[2], "RequestError", [4], [6], "RequestError", [8]]


def test_model_error_reaches_only_the_requests_of_its_batch() -> None:
    batched = Batched(Slow())
    assert ask_all(batched, [np.inf] * 4) == ["ZeroDivisionError"] * 4
    assert batched.predict(row(1)).tolist() == [2]


def test_large_request_is_predicted_alone() -> None:
    slow = Slow()
    assert len(Batched(slow).predict(row(1, SMALL_ROWS + 1))) == SMALL_ROWS + 1


def test_probabilities_are_batched_apart_from_scores() -> None:
    slow = Slow()
    batched = Batched(slow)

    def ask(number: int) -> object:
        method = batched.predict if number % 2 else batched.probabilities
        return method(row(number)).tolist()

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(ask, range(20)))
    assert found == [[2 * n] if n % 2 else [[n, n]] for n in range(20)]
    assert len(slow.calls) < 20
    assert sum(slow.calls) == 20


@pytest.mark.parametrize(
    ("model", "batched"),
    [(Slow(0.01), True), (Slow(0), False), (Slow(0, 0.01), False)],
    ids=["slow call", "fast", "slow rows"],
)
def test_model_is_batched_if_a_batch_saves_time(model: Slow, batched: bool) -> None:
    assert isinstance(batched_if_faster(model), Batched) is batched


class ExtendedPredictor(Slow):
    """Has a method that ``Predictor`` does not have, and overrides all methods of ``Predictor``."""

    columns, meaning, engine, bytes_per_value, outputs = Columns(2), Meaning(""), "able", 9, 7

    def neighbours(self, rows: Floats) -> str:
        return f"neighbours of {len(rows)}"

    def contributions(self, rows: Floats) -> Floats:
        return rows + 1

    def leaves(self, rows: Floats) -> Floats:
        return rows + 2


def test_unknown_method_is_forwarded() -> None:
    batched: Any = Batched(ExtendedPredictor())
    assert batched.neighbours(row(1, 3)) == "neighbours of 3"


def test_every_method_of_a_predictor_is_forwarded() -> None:
    able = ExtendedPredictor()
    batched = Batched(able)
    assert (batched.columns, batched.meaning, batched.outputs) == (able.columns, able.meaning, 7)
    for name in ("probabilities", "contributions", "leaves"):
        np.testing.assert_array_equal(
            getattr(batched, name)(row(1)), getattr(able, name)(row(1)), err_msg=name
        )
    own = {"predict", "probabilities"}
    for name in [name for name in vars(Predictor) if not name.startswith("_")]:
        assert name in own or name not in vars(Batched), name
        assert isinstance(vars(PredictorWrapper)[name], _Forwarded), name


def test_missing_method_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="neighbours"):
        _ = Batched(Slow()).neighbours
