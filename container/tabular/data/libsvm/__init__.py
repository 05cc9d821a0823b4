"""LIBSVM: training files (``files``), requests (``bodies``); a fast way and a plain one."""

from tabular.data.libsvm.bodies import read_body
from tabular.data.libsvm.files import CONTENT_TYPES, NAME, read_file

__all__ = ["CONTENT_TYPES", "NAME", "read_body", "read_file"]
