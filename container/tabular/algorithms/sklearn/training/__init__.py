"""Train scikit-learn estimators."""
