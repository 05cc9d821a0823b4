"""Answers in RecordIO-protobuf, SageMaker's record format."""

from __future__ import annotations

from tabular.data.recordio.writing import write_labels
from tabular.serving.answers.profiles import Profile
from tabular.serving.answers.values import NUMBERS, NotRepresentableError, Result, as_array
from tabular.serving.selection import Selected


def write_recordio(result: Result, profile: Profile) -> bytes:
    """Write a record for each row; its label map contains the selected keys, or ``score``.

    Raises
    ------
    NotRepresentableError
        A column is text.
    """
    columns = result.columns if isinstance(result, Selected) else {"score": as_array(result)}
    for key, column in columns.items():
        if column.dtype.kind not in NUMBERS + "b":
            raise NotRepresentableError(f"{key} is text, and the tensors of a record hold numbers")
    return write_labels(columns)
