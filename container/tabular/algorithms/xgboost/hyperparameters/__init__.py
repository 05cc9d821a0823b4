"""The hyperparameters of the XGBoost algorithm, as tables.

``job``, ``trees``, ``dart``, ``linear`` and ``learning`` have the rows. ``removed`` translates
hyperparameters of older versions of XGBoost, ``combinations`` has the rules between
hyperparameters, ``settings`` validates a job, and ``pages`` writes the documentation and the
launcher's list.
To add a hyperparameter, add its row; ``settings`` fails at import if nothing reads the row.
"""

from tabular.algorithms.xgboost.hyperparameters.settings import (
    GROUPS,
    HYPERPARAMETERS,
    NAMES,
    Settings,
    validate,
)

__all__ = ["GROUPS", "HYPERPARAMETERS", "NAMES", "Settings", "validate"]
