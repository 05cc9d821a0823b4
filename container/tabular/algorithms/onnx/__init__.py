"""ONNX models that other tools exported: served, not trained."""
