"""RecordIO-protobuf: one message of protobuf a row, dense or sparse, as SageMaker's SDK writes it.

``framing`` cuts bytes into records, ``records`` and ``messages`` find the tensors in their
messages, ``packed`` decodes the numbers, ``tensors`` makes rows of them. ``files`` reads training
files, ``bodies`` requests, and ``writing`` writes responses.
"""

from tabular.data.recordio.bodies import read_body
from tabular.data.recordio.files import CONTENT_TYPES, NAME, read_file
from tabular.data.recordio.framing import MAGIC_BYTES

__all__ = ["CONTENT_TYPES", "MAGIC_BYTES", "NAME", "read_body", "read_file"]
