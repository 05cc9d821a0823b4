"""Reads data files and request bodies into float32 rows; one module or package per format."""
