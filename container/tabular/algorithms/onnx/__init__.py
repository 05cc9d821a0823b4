"""ONNX models that other tools exported: this image serves them and does not train them."""
