"""The content types of the toolkit."""

from sagemaker_training.content_types import ANY, CSV, JSON, NPY, OCTET_STREAM, UTF8_TYPES

__all__ = ["ANY", "CSV", "JSON", "NPY", "NPZ", "OCTET_STREAM", "UTF8_TYPES"]

NPZ = "application/x-npz"
