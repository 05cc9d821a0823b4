"""Compile scikit-learn estimators to ONNX."""
