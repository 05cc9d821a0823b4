"""Train XGBoost models."""

# Must run before any module of this package imports XGBoost; see ``lean_xgboost``.
import tabular.algorithms.xgboost.lean_xgboost  # noqa: F401
