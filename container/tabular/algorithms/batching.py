"""Requests that wait for a slow model are predicted together (dynamic batching).

Nobody waits for company: a request that finds the model free is predicted at once. Those that
come meanwhile wait, and then go together.
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

# A model is batched when a call takes this long, and one of several rows is hardly longer.
SLOW_SECONDS = 0.001
TOGETHER = 8
WORTH = 0.25
TURNS = 3
# Larger requests go alone, on all processors.
SMALL_ROWS = 64


class _Asked:
    """One request: rows, and what came of them."""

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
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
        self._waiting: list[_Asked] = []

    def predict(self, rows: Floats) -> Scores:
        """Score rows; see ``Predictor.predict``."""
        if len(rows) > SMALL_ROWS:
            return self.wrapped.predict(rows)
        mine = _Asked(rows)
        with self._turn:
            self._waiting.append(mine)
            while self._busy and not mine.done:
                self._turn.wait()
            if not mine.done:
                self._busy = True
                batch, self._waiting = self._waiting, []
        if not mine.done:
            try:
                self._answer(batch)
            finally:
                with self._turn:
                    self._busy = False
                    self._turn.notify_all()
        if mine.error is not None:
            raise mine.error
        assert mine.scores is not None  # noqa: S101 - one of the two is there
        return mine.scores

    def _answer(self, batch: list[_Asked]) -> None:
        try:
            scores = self.wrapped.predict(np.concatenate([asked.rows for asked in batch]))
        except Exception as error:
            if len(batch) == 1 or not isinstance(error, RequestError):
                for asked in batch:
                    asked.error = error
                return
            for asked in batch:  # one client's fault is not the others'
                self._answer([asked])
            return
        ends = np.cumsum([len(asked.rows) for asked in batch])
        for asked, part in zip(batch, np.split(scores, ends[:-1]), strict=True):
            asked.scores = part


def batched_if_worth(predictor: Predictor) -> Predictor:
    """Measure a model, and batch it when a call costs much and a further row little."""
    row = np.zeros((1, predictor.columns.count), np.float32)
    try:
        one = _seconds(predictor, row)
        several = one if one < SLOW_SECONDS else _seconds(predictor, np.repeat(row, TOGETHER, 0))
    except RequestError:  # it takes no row of zeros
        return predictor
    if one < SLOW_SECONDS or several > one * TOGETHER * WORTH:
        return predictor
    log.info(
        "a row takes %.1f ms, %d together %.1f: waiting requests are predicted together",
        one * 1e3,
        TOGETHER,
        several * 1e3,
    )
    return Batched(predictor)


def _seconds(predictor: Predictor, rows: Floats) -> float:
    times = []
    for _ in range(TURNS + 1):  # the first is slower
        begin = time.perf_counter()
        predictor.predict(rows)
        times.append(time.perf_counter() - begin)
    return min(times)
