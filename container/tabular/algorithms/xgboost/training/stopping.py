"""Early stopping: record the best round, and stop when no better round follows."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import xgboost

from tabular.algorithms.xgboost.metrics import is_maximized

log = logging.getLogger(__name__)

# Attributes of the model, named as in XGBoost's own callback. Checkpoints save them, so that a
# resumed job stops in the same round as an uninterrupted job.
BEST_ITERATION, BEST_SCORE = "best_iteration", "best_score"


class EarlyStopping:
    """Stops training when a metric has not improved for some rounds.

    Parameters
    ----------
    rounds : int
        How many rounds to wait for an improvement.
    channel : str
        The channel whose metric counts.
    metric : str or None
        None: the last metric of the channel, which is XGBoost's default for the objective.
    """

    def __init__(self, rounds: int, channel: str, metric: str | None) -> None:
        self._rounds = rounds
        self._channel = channel
        self._metric = metric
        self._warned = False

    def note(self, booster: xgboost.Booster, number: int, values: Mapping[str, float]) -> None:
        """Record the best round in the attributes of the model; one without a value is no best.

        Parameters
        ----------
        number : int
            The round, from 0.
        values : Mapping[str, float]
            The metrics of the round by name, such as ``validation-auc``.
        """
        name = self._metric or [name for name in values if name.startswith(self._channel)][
            -1
        ].removeprefix(f"{self._channel}-")
        score = values[f"{self._channel}-{name}"]
        if math.isnan(score):
            self._warn(f"{self._channel}-{name}")
            return
        best = booster.attr(BEST_SCORE)
        if best is None or (score > float(best) if is_maximized(name) else score < float(best)):
            booster.set_attr(**{BEST_ITERATION: str(number), BEST_SCORE: repr(float(score))})

    def _warn(self, metric: str) -> None:
        if not self._warned:
            log.warning(
                "%s has no value (nan), as auc of rows with one class only: early stopping does "
                "not choose by it; correct channel '%s', or choose another metric",
                metric,
                self._channel,
            )
        self._warned = True

    def is_over(self, booster: xgboost.Booster) -> bool:
        """Return whether the last ``rounds`` rounds were no better than the best round."""
        best = booster.attr(BEST_ITERATION)
        last = booster.num_boosted_rounds() - 1
        return best is not None and last - int(best) >= self._rounds


def best_of(booster: xgboost.Booster, sliceable: bool) -> xgboost.Booster:
    """Return the model without the rounds after its best round.

    Parameters
    ----------
    sliceable : bool
        False for a linear model, which has no rounds to remove: it is returned as it is.
    """
    best = booster.attr(BEST_ITERATION)
    if best is None or not sliceable or int(best) + 1 == booster.num_boosted_rounds():
        return booster
    cut = booster[: int(best) + 1]
    cut.set_attr(**{BEST_ITERATION: best, BEST_SCORE: booster.attr(BEST_SCORE)})
    return cut
