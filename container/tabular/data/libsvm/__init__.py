"""LIBSVM: ``files`` reads training files, ``bodies`` requests.

Both use ``tokens``, which is fast, and ``lines``, which names line and token of a fault.
"""

from tabular.data.libsvm.bodies import read_body
from tabular.data.libsvm.files import CONTENT_TYPES, NAME, read_file

__all__ = ["CONTENT_TYPES", "NAME", "read_body", "read_file"]
