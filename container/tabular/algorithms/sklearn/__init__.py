"""Estimators of scikit-learn: read, fitted, measured, saved, compiled."""
