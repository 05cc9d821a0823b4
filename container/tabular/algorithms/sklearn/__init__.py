"""Estimators of scikit-learn: training, saving, compiling, serving."""
