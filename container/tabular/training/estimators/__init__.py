"""Algorithm mode for scikit-learn: any estimator by its name, without a script."""

from tabular.training.estimators.fitting import train

__all__ = ["train"]
