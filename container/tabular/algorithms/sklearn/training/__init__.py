"""Fit scikit-learn estimators."""
