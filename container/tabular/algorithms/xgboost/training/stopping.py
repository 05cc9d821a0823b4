"""Early stopping: which round was the best, and when to give up waiting for a better one."""

from __future__ import annotations

from collections.abc import Mapping

import xgboost

from tabular.algorithms.xgboost.metrics import is_maximized

# Attributes of the model, as XGBoost's own callback names them. A checkpoint carries them, so a
# resumed job stops where the unbroken one does.
BEST_ITERATION, BEST_SCORE = "best_iteration", "best_score"


class EarlyStopping:
    """Stops when a metric has not become better for some rounds.

    Parameters
    ----------
    rounds : int
        How long to wait for a better round.
    channel : str
        Whose metric counts.
    metric : str or None
        None takes the last one that is there: XGBoost's default for the objective.
    """

    def __init__(self, rounds: int, channel: str, metric: str | None) -> None:
        self._rounds = rounds
        self._channel = channel
        self._metric = metric

    def note(self, booster: xgboost.Booster, number: int, values: Mapping[str, float]) -> None:
        """Write into the model which round was the best so far.

        Parameters
        ----------
        number : int
            The round, from 0.
        values : Mapping[str, float]
            Its metrics, named ``validation-auc`` and the like.
        """
        name = self._metric or [name for name in values if name.startswith(self._channel)][
            -1
        ].removeprefix(f"{self._channel}-")
        score = values[f"{self._channel}-{name}"]
        best = booster.attr(BEST_SCORE)
        if best is None or (score > float(best) if is_maximized(name) else score < float(best)):
            booster.set_attr(**{BEST_ITERATION: str(number), BEST_SCORE: repr(float(score))})

    def is_over(self, booster: xgboost.Booster) -> bool:
        """Tell whether the best round is too long ago."""
        best = booster.attr(BEST_ITERATION)
        last = booster.num_boosted_rounds() - 1
        return best is not None and last - int(best) >= self._rounds


def best_of(booster: xgboost.Booster, sliceable: bool) -> xgboost.Booster:
    """Cut a model back to its best round.

    Parameters
    ----------
    sliceable : bool
        A linear model has no rounds to cut off: its last state is kept.
    """
    best = booster.attr(BEST_ITERATION)
    if best is None or not sliceable or int(best) + 1 == booster.num_boosted_rounds():
        return booster
    cut = booster[: int(best) + 1]
    cut.set_attr(**{BEST_ITERATION: best, BEST_SCORE: booster.attr(BEST_SCORE)})
    return cut
