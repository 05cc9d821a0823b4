"""How CSV is written: delimiters, cells, numbers, missing values. Plain Python, no reader."""

from __future__ import annotations

import csv

# A value is missing when its cell is one of these; pyarrow's own list (NA, null, ...) would
# hide text cells. float() and pyarrow read every other spelling of nan.
MISSING = ("", "nan", "NaN", "NAN")
DELIMITERS = (",", "\t", ";", "|", " ")
# More cells are a text without line ends. They are counted before they are made into a list,
# which takes twenty times the line's size.
MOST_CELLS = 1_000_000


def delimiter_of(line: str) -> str | None:
    """Find the delimiter of a line, or None when there is a single cell."""
    for candidate in DELIMITERS:  # a loop: it takes a fourth of a generator's time
        if candidate in line:
            return candidate
    return None


def too_many(line: str, delimiter: str) -> str | None:
    """Say that a line has more cells than a row can have, or None."""
    cells = line.count(delimiter) + 1
    if cells <= MOST_CELLS:
        return None
    return f"has {cells:,} cells, expected at most {MOST_CELLS:,}; lines end in LF or CR LF"


def cells_of(line: str, delimiter: str) -> list[str]:
    """Part a line, with RFC 4180's quotes; text behind a closing quote belongs to the cell.

    Raises
    ------
    csv.Error
        A quote does not close.
    """
    if '"' not in line:
        return line.split(delimiter)
    # A quote that does not close takes the second line in.
    reader = csv.reader([line, ""], delimiter=delimiter)
    cells = next(reader)
    if reader.line_num > 1:
        raise csv.Error("a quote does not close")
    return cells


def number_of(cell: str) -> float | None:
    """Read a number as pyarrow does, or None when the cell holds none."""
    # float() also takes 1_000, digits of other scripts, and more than blanks around a number.
    if "_" in cell or not cell.isascii() or cell.strip(" \t") != cell.strip():
        return None
    try:
        return float(cell)
    except ValueError:
        return None
