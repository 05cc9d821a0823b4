"""LIBSVM: ``files`` reads training files, ``requests`` and ``bodies`` requests.

All use ``tokens``, which is fast, and ``lines``, which names line and token of a fault.
"""

from tabular.data.libsvm.files import CONTENT_TYPES, NAME, read_file
from tabular.data.libsvm.lines import looks_like_libsvm
from tabular.data.libsvm.requests import first_index, model_columns, read_request

__all__ = [
    "CONTENT_TYPES",
    "NAME",
    "first_index",
    "looks_like_libsvm",
    "model_columns",
    "read_file",
    "read_request",
]
