"""The header line of a CSV request, recognised by the model's own column names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tabular.data.blocks import BYTE_ORDER_MARK
from tabular.data.columns import Columns, check_names
from tabular.data.csv.text import DELIMITERS, MISSING, delimiter_of, number_of

FIRST_LINE = re.compile(rb"[\r\n]*([^\r\n]+)(?:\r\n?|\n)?")


@dataclass(frozen=True)
class Header:
    """A line of names, and what follows.

    Attributes
    ----------
    columns : Columns
        The model's, in the order of the body.
    places : tuple of int, or None
        Where in the body each of the model's columns stands; None: in the model's order.
    rows : bytes
        The body from its second line on.
    """

    columns: Columns
    places: tuple[int, ...] | None
    rows: bytes


def header_of(body: bytes, columns: Columns, stated: bool = False) -> Header | None:
    """Find the header that a body begins with, if any.

    A line is one if its cells are the model's names, in any order, and the first is no number.

    Parameters
    ----------
    stated : bool
        The content type says ``header=present``: the first line is a header, whatever it holds.

    Raises
    ------
    ColumnsError
        The line has some of the names and is no row of data, or has to have all of them; says
        which are missing or unknown.
    """
    if not (stated or columns.names):
        return None
    text, end = _first_line(body)
    if not stated and _number_or_missing(text.partition(delimiter_of(text) or ",")[0]):
        return None
    names = set(columns.names)
    cells = max(_readings(text), key=lambda cells: len(names.intersection(cells)))
    if not columns.names:
        return Header(columns, None, body[end:])
    if sorted(cells) != sorted(names):
        if stated or (names.intersection(cells) and not _could_be_row(cells, columns)):
            check_names(cells, columns.names, "the header line")
        return None
    if cells == list(columns.names):
        return Header(columns, None, body[end:])
    at = {name: place for place, name in enumerate(cells)}
    places = tuple(at[name] for name in columns.names)
    texts = {places[column]: known for column, known in columns.categories.items()}
    return Header(replace(columns, names=cells, categories=texts), places, body[end:])


def looks_like_header(body: bytes) -> bool:
    """Tell whether the first line has nothing but texts, and another line follows."""
    text, end = _first_line(body)
    return bool(body[end:].strip()) and not any(map(_number_or_missing, next(_readings(text))))


def _first_line(body: bytes) -> tuple[str, int]:
    """Find the first line with anything in it, and where the second begins."""
    line = FIRST_LINE.match(body)
    if line is None:
        return "", len(body)
    return line[1].removeprefix(BYTE_ORDER_MARK).decode("utf-8", errors="replace"), line.end()


def _readings(line: str) -> Iterator[list[str]]:
    """Part a line at each delimiter that it has, and at none: names may hold the others."""
    for delimiter in [mark for mark in DELIMITERS if mark in line]:
        try:
            skip = delimiter != " "  # which Python 3.13 refuses to skip
            cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=skip))
        except csv.Error:  # a cell larger than csv's limit
            cells = line.split(delimiter)
        yield [cell.strip() for cell in cells]
    yield [line.strip().strip('"').strip()]


def _number_or_missing(cell: str) -> bool:
    cell = cell.strip().strip('"')
    return cell in MISSING or number_of(cell) is not None


def _could_be_row(cells: list[str], columns: Columns) -> bool:
    return any(map(_number_or_missing, cells)) or (
        len(cells) == columns.count == len(columns.categories)
    )
