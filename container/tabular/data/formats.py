"""The table of data formats. To add one: write its module, add its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.data import csv
from tabular.data.batch import Batch, Floats


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    read_file : (path, weights) -> batches
        For training; raises UserError.
    read_body : (bytes, columns) -> float32 array, (rows, columns)
        For serving; raises ColumnCountError, and ValueError for what can't be read.
    """

    name: str
    content_types: tuple[str, ...]
    read_file: Callable[[Path, bool], Iterator[Batch]]
    read_body: Callable[[bytes, int], Floats]


FORMATS = (Format(csv.NAME, csv.CONTENT_TYPES, csv.read_file, csv.read_body),)
BY_CONTENT_TYPE = {name: row for row in FORMATS for name in row.content_types}


def format_of(content_type: str) -> Format:
    """Find the format of a content type; case and parameters do not matter.

    Raises
    ------
    UserError
        The content type is not known, or has ``label_size`` other than 1. The first words of
        both messages are those of AWS's container.
    """
    exact = BY_CONTENT_TYPE.get(content_type)
    if exact is not None:
        return exact
    header = Message()
    header["Content-Type"] = content_type
    name, _, _ = content_type.partition(";")
    found = BY_CONTENT_TYPE.get(name.strip().lower())
    if found is None:
        raise UserError(
            f"{content_type} is not an accepted ContentType: {', '.join(BY_CONTENT_TYPE)}."
        )
    if str(header.get_param("label_size", "1")) != "1":
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    return found
