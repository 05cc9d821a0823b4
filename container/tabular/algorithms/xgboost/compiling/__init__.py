"""Compile XGBoost models to ONNX."""
