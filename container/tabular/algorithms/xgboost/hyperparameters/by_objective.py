"""Facts about objectives for the rows of hyperparameters, from the table of objectives."""

from __future__ import annotations

from tabular.algorithms.xgboost.objectives import OBJECTIVES, names_reading


def used_with(hyperparameter: str) -> dict[str, str]:
    """Return an objective with which a hyperparameter has an effect, for ``used_with`` of its row.

    >>> used_with("huber_slope")
    {'objective': 'reg:pseudohubererror'}
    """
    return {"objective": names_reading(hyperparameter)[0]}


def default_of(hyperparameter: str, default: str) -> str:
    """Return XGBoost's default in words, with the objectives that have another default.

    >>> default_of("max_delta_step", "0")
    '0; 0.7 with count:poisson'
    """
    others = [
        f"{row.defaults[hyperparameter]} with {row.name}"
        for row in OBJECTIVES.values()
        if hyperparameter in row.defaults
    ]
    return "; ".join([default, *others])
