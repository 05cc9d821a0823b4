"""Find the header line of a CSV request by the model's column names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tabular.data.blocks import BYTE_ORDER_MARK
from tabular.data.columns import Columns, check_names
from tabular.data.csv.text import DELIMITERS, delimiter_of
from tabular.data.spelling import FEW_MISSING, number_of

FIRST_LINE = re.compile(rb"[\r\n]*([^\r\n]+)(?:\r\n?|\n)?")


@dataclass(frozen=True)
class Header:
    """The header line of a body, and the rows after it.

    Attributes
    ----------
    columns : Columns
        The columns of the body, with its delimiter.
    places : tuple of int, or None
        The position in the body of each of the model's columns. None when the body has the
        model's columns in the model's order.
    rows : bytes
        The body from its second line on.
    """

    columns: Columns
    places: tuple[int, ...] | None
    rows: bytes


def header_of(body: bytes, columns: Columns, stated: bool = False) -> Header | None:
    """Return the header that a body begins with, or None.

    The first line is a header when its cells are the model's names, in any order, and the first
    cell is not a number.

    Parameters
    ----------
    stated : bool
        The content type says ``header=present``: the first line is a header, whatever it holds.

    Raises
    ------
    ColumnsError
        The line has some of the names and can't be a row, or is ``stated`` to be a header and
        does not have all names. The message says which names are missing or unknown.
    """
    if not (stated or columns.names):
        return None
    text, end = _first_line(body)
    if not stated and _number_or_missing(text.partition(delimiter_of(text) or ",")[0]):
        return None
    if not columns.names:
        return Header(columns, None, body[end:])
    names = set(columns.names)
    delimiter, cells = max(_readings(text), key=lambda found: len(names.intersection(found[1])))
    # Many other columns must not make a row of texts a header.
    others = [cell for cell in cells if cell not in names]
    known = len(set(cells)) == len(cells) and names.issubset(cells)
    if not known or not all(map(columns.may_ignore, others)):
        if stated or (names.intersection(cells) and not _could_be_row(cells, columns)):
            check_names(cells, columns, "the header line")
        return None
    if cells == list(columns.names):
        return Header(replace(columns, delimiter=delimiter or columns.delimiter), None, body[end:])
    found, places = columns.within(cells)
    return Header(replace(found, delimiter=delimiter), places, body[end:])


def looks_like_header(body: bytes) -> bool:
    """Return whether the first line has no number and no empty cell, and more lines follow."""
    text, end = _first_line(body)
    return bool(body[end:].strip()) and not any(map(_number_or_missing, next(_readings(text))[1]))


def _first_line(body: bytes) -> tuple[str, int]:
    """Return the first line that is not empty, and the offset of the line after it."""
    line = FIRST_LINE.match(body)
    if line is None:
        return "", len(body)
    return line[1].removeprefix(BYTE_ORDER_MARK).decode("utf-8", errors="replace"), line.end()


def _readings(line: str) -> Iterator[tuple[str, list[str]]]:
    """Split a line at each delimiter that it has, and at none; names may contain delimiters.

    Yields
    ------
    (str, list of str)
        The delimiter, and the cells.
    """
    for delimiter in [mark for mark in DELIMITERS if mark in line]:
        try:
            skip = delimiter != " "  # Python 3.13 refuses to skip the delimiter
            cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=skip))
        except csv.Error:  # a cell larger than csv's limit
            cells = line.split(delimiter)
        yield delimiter, [cell.strip() for cell in cells]
    yield "", [line.strip().strip('"').strip()]


def _number_or_missing(cell: str) -> bool:
    cell = cell.strip().strip('"')
    return cell in FEW_MISSING or number_of(cell) is not None


def _could_be_row(cells: list[str], columns: Columns) -> bool:
    return any(map(_number_or_missing, cells)) or (
        len(cells) == columns.count == len(columns.categories)
    )
