"""RecordIO-protobuf: frames (``framing``), protobuf (``messages``, ``records``), ``tensors``.

``writing`` goes the other way: it writes the responses of a server.
"""

from tabular.data.recordio.framing import (
    CONTENT_TYPES,
    MAGIC_BYTES,
    NAME,
    read_body,
    read_file,
)

__all__ = ["CONTENT_TYPES", "MAGIC_BYTES", "NAME", "read_body", "read_file"]
