"""Read CSV for training: one row per line, with or without a header.

The file is cut into blocks of whole lines, which pyarrow parses in several threads, without
Python's global lock. The first block decides which columns hold text. When pyarrow refuses a
block, ``faults`` reads the block again, line by line, and names the line and the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from csv import Error, reader
from itertools import chain
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.blocks import BYTE_ORDER_MARK, Block, blocks_of, in_order
from tabular.data.cells import NumberCells
from tabular.data.csv.arrow import text_columns
from tabular.data.csv.faults import ENCODE, Column, Kind
from tabular.data.csv.parsing import Parser, is_blank
from tabular.data.csv.text import DELIMITERS, cells_of, delimiter_of, too_many
from tabular.data.declared import DATE, NUMBER
from tabular.data.layout import NUMBERS_ALONE, TEXT_AND_DATES, Layout
from tabular.data.quoting import quoted
from tabular.data.roles import Roles, by_name, by_place
from tabular.data.source import BROKEN_STREAM, Source, unreadable
from tabular.data.spelling import could_be_value, number_of

NAME = "csv"
CONTENT_TYPES = ("text/csv", "csv")

# Measured: the fastest of 256 KiB to 16 MiB. The float32 rows of a block stay in a core's cache.
BLOCK_BYTES = 1 << 20
# pyarrow takes time for each column of each block, so wide files need larger blocks.
BLOCK_BYTES_PER_COLUMN = 4 << 10
TEXT_LATER = "the labels began with numbers; write all of them as text, or all as numbers"
TEXT_LABEL = (
    "the job takes numbers as labels: for classes such as yes and no set an objective of "
    "classification (XGBoost) or choose a classifier, or encode text (labels too) as numbers"
)
QUOTED = re.compile(r'"[^"]*"')


def read_file(source: Source, layout: Layout, threads: int) -> Iterator[Batch]:
    """Read a training file in blocks.

    Parameters
    ----------
    layout : Layout
        Chooses columns by place or by name; with names, the first line is a header.
    threads : int
        How many threads parse.

    Raises
    ------
    UserError
        The file is not text, has a header though the job states none or has none though the job
        states one, has text in a column of numbers, a row with another number of cells, or no
        features, or can't be read. The message names file, line and column.
    """
    blocks = _blocks(source)
    first = next(_filled(blocks), None)
    if first is None:
        return
    path = source.path
    number, line, rest = _split(first)
    delimiter, cells = _opening(path, number, line, layout.named)
    if layout.named:
        roles = by_name(_names(path, number, cells), layout, path)
        first = next(_filled(chain([rest], blocks)), None)
        if first is None:
            return
    else:
        roles = by_place(len(cells), layout, path)
    columns = _columns(first, delimiter, cells, roles, layout)
    ignored = _ignored(cells, roles) if layout.named else ()
    text_labels = layout.text_labels and layout.deferred
    parser = Parser(path, delimiter, columns, roles, layout.missing, ignored, text_labels)
    blocks = _filled(_joined(blocks, len(cells) * BLOCK_BYTES_PER_COLUMN))
    yield from in_order(parser.read, chain([first], blocks), threads)


def _ignored(cells: list[str], roles: Roles) -> tuple[str, ...]:
    features = set(roles.features)
    return tuple(cell.strip() for place, cell in enumerate(cells) if place not in features)


def _blocks(source: Source) -> Iterator[Block]:
    """Cut the file into blocks, without a byte order mark."""
    with source.open() as stream:
        try:
            for block in blocks_of(stream, BLOCK_BYTES):
                if block.first_line == 1:
                    block = Block(block.content.removeprefix(BYTE_ORDER_MARK), 1)
                yield block
        except BROKEN_STREAM as error:
            raise unreadable(source.path, error) from error


def _filled(blocks: Iterable[Block]) -> Iterator[Block]:
    return (block for block in blocks if not is_blank(block))


def _joined(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """Join blocks until each has ``size`` bytes."""
    if size <= BLOCK_BYTES:
        yield from blocks
        return
    for block in blocks:
        contents = [block.content]
        held = len(block.content)
        while held < size and (following := next(blocks, None)):
            contents.append(following.content)
            held += len(following.content)
        yield Block(b"".join(contents), block.first_line)


def _split(block: Block) -> tuple[int, bytes, Block]:
    """Return number and content of the first line that is not empty, and the block after it."""
    content = block.content
    start = len(content) - len(content.lstrip(b"\r\n"))
    number = block.first_line + content.count(b"\n", 0, start)
    end = content.find(b"\n", start) + 1 or len(content)
    return number, content[start:end].rstrip(b"\r\n"), Block(content[end:], number + 1)


def _opening(path: Path, number: int, line: bytes, named: bool) -> tuple[str, list[str]]:
    """Return delimiter and cells of the first line; refuse a header that the job does not state."""
    if b"\x00" in line[:1024]:
        raise UserError(f"{path} is not text (UTF-16 or binary); save it as CSV in UTF-8")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from error
    if "\r" in text:
        raise UserError(
            f"{path} line {number} has a carriage return (\\r) inside; end lines with \\n or "
            "\\r\\n, and keep line ends out of cells"
        )
    # A name or a text in quotes may contain a delimiter.
    bare = QUOTED.sub("", text)
    delimiter = delimiter_of(bare) if named else _of_values(text, bare) or delimiter_of(bare)
    if delimiter is None:
        raise UserError(
            f"{path} line {number} is {quoted(text)}: no delimiter (comma, tab, semicolon, bar or "
            "space) found; expected the label and the features on each line"
        )
    many = too_many(text, delimiter)
    if many:
        raise UserError(f"{path} line {number} {many}")
    if named:
        return delimiter, _header(path, number, text, delimiter)
    try:
        cells = cells_of(text, delimiter)
    except Error:  # a quote that does not close; the parser names the fault
        return delimiter, text.split(delimiter)
    filled = [cell for cell in cells if cell.strip()]
    if filled and all(number_of(cell) is None for cell in filled):
        raise UserError(
            f"{path} line {number} looks like a header "
            f"({', '.join(quoted(cell) for cell in filled[:3])}{', ...' if filled[3:] else ''}); "
            "training data has no header by default: name the label's column with the "
            "hyperparameter target, or set the content type 'text/csv; header=present', or "
            "delete that line"
        )
    return delimiter, cells


def _of_values(text: str, bare: str) -> str | None:
    """Return the delimiter of a row without a header, whose numbers may have commas: ``0;1,5``.

    It leaves no other delimiter in a cell that is no number, nor in the label, the first cell.
    """
    found = [mark for mark in DELIMITERS if mark in bare and mark != " "]
    for mark in found if len(found) > 1 else ():
        with suppress(Error):
            cells = list(enumerate(cells_of(text, mark)))
            mixed = [at for at, cell in cells if any(other in cell for other in found)]
            if all(at and could_be_value(cells[at][1]) for at in mixed):
                return mark
    return None


def _header(path: Path, number: int, text: str, delimiter: str) -> list[str]:
    try:
        return next(reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
    except Error as error:
        raise UserError(
            f"{path} line {number}: the header's quotes do not match ({error}); close each one, "
            "and keep line ends out of names"
        ) from error


def _names(path: Path, number: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    filled = [name for name in names if name]
    if filled and all(number_of(name) is not None for name in filled):
        raise UserError(
            f"{path} has no header: line {number} holds numbers only "
            f"({', '.join(quoted(name) for name in filled[:3])}{', ...' if filled[3:] else ''}); "
            "begin every file with a line of column names, or choose no column by name"
        )
    return names


def _columns(
    block: Block, delimiter: str, cells: list[str], roles: Roles, layout: Layout
) -> tuple[Column, ...]:
    """Return the kind of each column; the first block decides what the job does not say."""
    types = layout.feature_types or (None,) * len(roles.features)
    stated = dict(zip(roles.features, types, strict=True))
    keys = dict(zip(roles.features, _keys(roles), strict=True))
    text = _text_columns(block, delimiter, cells, roles, layout)
    plain = NumberCells(frozenset(layout.missing))  # one for all: there may be 100,000 columns

    def column(place: int) -> Column:
        name = cells[place].strip() if layout.named else ""
        if place == roles.group:
            return Column(Kind.GROUP, name)
        if place == roles.label and place in text:
            return Column(Kind.CLASS, name, cells=plain)
        if place in (roles.label, roles.weight):
            open_label = layout.classes or (layout.text_labels and not layout.deferred)
            cure = TEXT_LATER if open_label else TEXT_LABEL
            cure = cure if place == roles.label else ENCODE
            return Column(Kind.REQUIRED, name, cure)
        if place not in stated:
            return Column(Kind.UNREAD, name)
        key = keys[place]
        reader = layout.cells_of(key)
        if reader is not None:
            declared = ", as the schema declares" * (key in layout.declared)
            return Column(Kind.STYLED, name, f"expected {reader.expected}{declared}", reader)
        if place in text:
            return Column(Kind.TEXT, name)
        kind = Kind.CODE if stated[place] == "c" else Kind.NUMBER
        may_be_text = _may_be_text(stated[place], layout)
        return Column(
            kind,
            name,
            _cure(stated[place], may_be_text, layout),
            plain,
            deferred=layout.deferred and stated[place] is None and key not in layout.declared,
            open_to_text=may_be_text,
        )

    return tuple(column(place) for place in range(len(cells)))


def _text_columns(
    block: Block, delimiter: str, cells: list[str], roles: Roles, layout: Layout
) -> set[int]:
    """Return the places of the columns to read as text."""
    types = layout.feature_types or (None,) * len(roles.features)
    keys = _keys(roles)
    text: set[int] = set()
    if roles.label is not None and layout.exact_classes:
        text.add(roles.label)
    # A pipe is not read again, so its first rows decide.
    open_label = layout.classes or (layout.text_labels and not layout.deferred)
    looked_at = [roles.label] if open_label and roles.label is not None else []
    for place, key, stated in zip(roles.features, keys, types, strict=True):
        declared = layout.declared.get(key)
        if declared is not None:
            text.update([place] * (declared.kind not in (NUMBER, DATE)))
        elif layout.texts is not None:
            text.update([place] * (key in layout.texts))
        elif stated == "c" or stated is None:
            looked_at.append(place)
    looked_at = [place for place in looked_at if place not in text]
    if not looked_at:
        return text
    found = text_columns(block, delimiter, len(cells), looked_at, layout.missing)
    for place, texts in found.items():
        if place == roles.label or _may_be_text(types[roles.features.index(place)], layout):
            text.add(place)
        elif layout.deferred and texts:
            # Any other text is a fault, which the parser names.
            text.update([place] * all(map(could_be_value, texts)))
    return text


def _keys(roles: Roles) -> Sequence[str | int]:
    """Return the features' names, or else their positions: what the layout knows them by."""
    return roles.names or range(len(roles.features))


def _may_be_text(stated: str | None, layout: Layout) -> bool:
    return stated == "c" or (stated is None and layout.open_to_text)


def _cure(stated: str | None, open_to_text: bool, layout: Layout) -> str:
    """Return what to do about text in a feature column of numbers, for the message."""
    if open_to_text:
        return (
            "the column began with numbers; write a category as text from the file's first rows "
            "on, or as a code (0, 1, ...) in every row, with c in feature_types"
        )
    if stated is not None:
        return f"feature_types has {stated} for this column; use c for a category"
    if layout.categorical:
        return (
            "without a header declare the column: kind category or date in the hyperparameter "
            "schema, or c in feature_types; or encode the text"
        )
    if layout.classes:
        return NUMBERS_ALONE
    if layout.named:
        return TEXT_AND_DATES
    return ENCODE
