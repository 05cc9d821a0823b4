"""XGBoost: its hyperparameters, models, predictors and training."""
