"""Train XGBoost models."""
