"""Parquet: training files, and several of them in one stream."""

from tabular.data.parquet.files import CONTENT_TYPES, MAGIC, NAME, read_file

__all__ = ["CONTENT_TYPES", "MAGIC", "NAME", "read_file"]
