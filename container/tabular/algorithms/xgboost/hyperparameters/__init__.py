"""The hyperparameters of the XGBoost algorithm: tables, from which all else follows.

One module for each group of rows (``job``, ``trees``, ``dart``, ``linear``, ``learning``,
``removed``), ``companions`` for the rules between them, ``settings`` for what comes out, and
``pages`` for the documentation and the launcher's list.
"""

from tabular.algorithms.xgboost.hyperparameters.settings import (
    GROUPS,
    HYPERPARAMETERS,
    NAMES,
    Settings,
    validate,
)

__all__ = ["GROUPS", "HYPERPARAMETERS", "NAMES", "Settings", "validate"]
