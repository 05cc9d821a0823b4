"""Train XGBoost models."""

# Before any module here imports XGBoost: see ``lean_xgboost``.
import tabular.algorithms.xgboost.lean_xgboost  # noqa: F401
