"""Read the column chunks of a Parquet file from its footer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tabular.data.parquet.thrift import read_struct

MAGIC = b"PAR1"
LENGTH_BYTES = 4
# parquet.thrift: the fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
ROW_GROUPS, COLUMNS, COLUMN = 4, 1, 3
TYPE, PATH, VALUES, PACKED, DATA_PAGE, DICTIONARY_PAGE = 1, 3, 5, 7, 9, 11
BYTE_ARRAY = 6


@dataclass(frozen=True)
class Chunk:
    """The metadata of one column in a row group.

    Attributes
    ----------
    name : str
    is_text : bool
        Whether its values are byte arrays.
    num_values : int
    total_compressed_size : int
        Bytes.
    data_page_offset, dictionary_page_offset : int
        Offsets in the file, in bytes; 0 for no dictionary.
    """

    name: str
    is_text: bool
    num_values: int
    total_compressed_size: int
    data_page_offset: int
    dictionary_page_offset: int


def chunks_of(body: bytes) -> list[list[Chunk]]:
    """Return the column chunks of each row group.

    Raises
    ------
    ValueError
        The footer is broken, or encrypted.
    """
    end = len(body) - LENGTH_BYTES - len(MAGIC)
    if end < 0 or not body.endswith(MAGIC):
        raise ValueError("no Parquet: it does not end with PAR1")
    start = end - int.from_bytes(body[end : end + LENGTH_BYTES], "little")
    if start < 0:
        raise ValueError("broken Parquet: its footer is longer than the file")
    footer, _ = read_struct(body[start:end])
    return [
        [_chunk(_fields(column, COLUMN)) for column in _structs(group, COLUMNS)]
        for group in _structs(footer, ROW_GROUPS)
    ]


def _structs(fields: Mapping[int, Any], name: int) -> list[Mapping[int, Any]]:
    found = fields.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"broken Parquet: field {name} of its footer is no list of structs")
    return found


def _fields(fields: Mapping[int, Any], name: int) -> Mapping[int, Any]:
    found = fields.get(name)
    if not isinstance(found, dict):
        raise ValueError("broken Parquet: a column has no metadata in the footer")
    return found


def _chunk(fields: Mapping[int, Any]) -> Chunk:
    path = fields.get(PATH)
    parts = path if isinstance(path, list) else []
    return Chunk(
        ".".join(part.decode(errors="replace") for part in parts if isinstance(part, bytes)),
        _number(fields, TYPE) == BYTE_ARRAY,
        _number(fields, VALUES),
        _number(fields, PACKED),
        _number(fields, DATA_PAGE),
        _number(fields, DICTIONARY_PAGE, 0),
    )


def _number(fields: Mapping[int, Any], name: int, default: int | None = None) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"broken Parquet: field {name} of a column in the footer is no size")
    return value
