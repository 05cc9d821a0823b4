"""Parquet: ``files`` reads training files and streams of them, ``bodies`` requests."""

from tabular.data.parquet.bodies import read_body
from tabular.data.parquet.extent import of_parquet
from tabular.data.parquet.files import CONTENT_TYPES, MAGIC, NAME, read_file

__all__ = ["CONTENT_TYPES", "MAGIC", "NAME", "of_parquet", "read_body", "read_file"]
