"""CSV: ``files`` reads training files, ``bodies`` requests; ``faults`` names what is wrong."""

from tabular.data.csv.bodies import read_body
from tabular.data.csv.files import CONTENT_TYPES, NAME, read_file
from tabular.data.csv.header import Header, header_of

__all__ = ["CONTENT_TYPES", "NAME", "Header", "header_of", "read_body", "read_file"]
