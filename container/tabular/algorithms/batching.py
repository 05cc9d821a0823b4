"""Requests that wait for a slow model are predicted together (dynamic batching).

A request is predicted at once if no other prediction is running. Requests that arrive while a
prediction is running wait for it, and are then predicted together in one call.
"""

from __future__ import annotations

import logging
import time
from threading import Condition

import numpy as np

from tabular.algorithms.predictor import Predictor, PredictorWrapper, Scores
from tabular.contract.errors import RequestError
from tabular.data.batch import Floats

log = logging.getLogger(__name__)

# A model is batched if a call with one row takes at least SLOW_SECONDS, and a call with BATCH_ROWS
# rows takes at most MOST_TIME_SHARE of the time of BATCH_ROWS calls with one row.
SLOW_SECONDS = 0.001
BATCH_ROWS = 8
MOST_TIME_SHARE = 0.25
REPEATS = 3
# Requests with more rows are predicted alone, on all processors.
SMALL_ROWS = 64


class _WaitingRequest:
    """A request that waits for its prediction, with its rows and later its scores or its error.

    Parameters
    ----------
    method : str
        The method of the predictor: ``predict`` or ``probabilities``.
    """

    def __init__(self, rows: Floats, method: str) -> None:
        self.rows = rows
        self.method = method
        self.scores: Scores | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.scores is not None or self.error is not None


class Batched(PredictorWrapper):
    """A predictor that predicts the small requests that wait for it in one call."""

    def __init__(self, wrapped: Predictor) -> None:
        super().__init__(wrapped)
        self.bytes_per_value = wrapped.bytes_per_value + 4  # the concatenated rows
        self.engine = f"{wrapped.engine}, batched"
        self._turn = Condition()
        self._busy = False
        self._waiting: list[_WaitingRequest] = []

    def predict(self, rows: Floats) -> Scores:
        """Score rows; see ``Predictor.predict``."""
        return self._batched(rows, "predict")

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        return self._batched(rows, "probabilities")

    def _batched(self, rows: Floats, method: str) -> Scores:
        if len(rows) > SMALL_ROWS:
            found: Scores = getattr(self.wrapped, method)(rows)
            return found
        own = _WaitingRequest(rows, method)
        with self._turn:
            self._waiting.append(own)
            while self._busy and not own.done:
                self._turn.wait()
            if not own.done:
                self._busy = True
                batch, self._waiting = self._waiting, []
        if not own.done:
            try:
                for each in dict.fromkeys(request.method for request in batch):
                    self._answer([request for request in batch if request.method == each])
            finally:
                with self._turn:
                    self._busy = False
                    self._turn.notify_all()
        if own.error is not None:
            raise own.error
        assert own.scores is not None  # noqa: S101 - a request without error has scores
        return own.scores

    def _answer(self, batch: list[_WaitingRequest]) -> None:
        try:
            predict = getattr(self.wrapped, batch[0].method)
            scores = predict(np.concatenate([request.rows for request in batch]))
        except Exception as error:
            if len(batch) == 1 or not isinstance(error, RequestError):
                for request in batch:
                    request.error = error
                return
            for request in batch:  # one request may be wrong: predict each request alone
                self._answer([request])
            return
        ends = np.cumsum([len(request.rows) for request in batch])
        for request, part in zip(batch, np.split(scores, ends[:-1]), strict=True):
            request.scores = part


def batched_if_faster(predictor: Predictor) -> Predictor:
    """Measure a model, and batch its requests if calls are slow and a batch saves time."""
    row = np.zeros((1, predictor.columns.features.count), np.float32)
    try:
        one = _seconds(predictor, row)
        several = one if one < SLOW_SECONDS else _seconds(predictor, np.repeat(row, BATCH_ROWS, 0))
    except RequestError:  # the model refuses a row of zeros
        return predictor
    if one < SLOW_SECONDS or several > one * BATCH_ROWS * MOST_TIME_SHARE:
        return predictor
    log.info(
        "a row takes %.1f ms, a batch of %d rows %.1f ms: waiting requests are batched",
        one * 1e3,
        BATCH_ROWS,
        several * 1e3,
    )
    return Batched(predictor)


def _seconds(predictor: Predictor, rows: Floats) -> float:
    times = []
    for _ in range(REPEATS + 1):  # the first call is slower
        begin = time.perf_counter()
        predictor.predict(rows)
        times.append(time.perf_counter() - begin)
    return min(times)
