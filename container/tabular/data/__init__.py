"""Bytes and files to matrices; one module per format, used by training and by serving."""
