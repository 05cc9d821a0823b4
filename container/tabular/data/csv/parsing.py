"""Parse blocks of CSV into batches, with pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats
from tabular.data.blocks import Block
from tabular.data.cells import CellError, DateCells
from tabular.data.class_labels import TextLabelsError, refuse_leading_zeros
from tabular.data.csv.arrow import options_of, parsed, text_columns, text_type
from tabular.data.csv.faults import Column, Kind, fault
from tabular.data.roles import Roles
from tabular.data.spelling import FEW_MISSING, MISSING

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Parser:
    """Parses the blocks of one file; several threads may use it.

    Attributes
    ----------
    columns : tuple of Column
        All columns of the file, also those that are not read.
    missing : tuple of str
        The texts that mean a missing value.
    ignored : tuple of str
        The names of columns that are no features.
    text_labels : bool
        Whether text in a label column of numbers raises TextLabelsError.
    """

    path: Path
    delimiter: str
    columns: tuple[Column, ...]
    roles: Roles
    missing: tuple[str, ...] = MISSING
    ignored: tuple[str, ...] = ()
    text_labels: bool = False

    def read(self, block: Block) -> Batch:
        """Parse the rows of a block.

        Raises
        ------
        UserError
            A line can't be read. The message names file, line and column. TextLabelsError if the
            labels are text.
        """
        try:
            for missing in (FEW_MISSING, self.missing):
                with suppress(ValueError):  # pyarrow.ArrowInvalid is one
                    return self._batch(block, frozenset(), missing)
            return self._batch(block, self._odd(block), self.missing)
        except ValueError as error:
            found = fault(
                _lines(block),
                self.delimiter,
                self.columns,
                finite=True,
                skip_empty=True,
                model="the header" if self.roles.names else "the first row",
            )
            reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
            kind = TextLabelsError if self._has_text_labels(block) else UserError
            raise kind(
                f"{self.path} "
                f"{found or f'is not CSV, in line {block.first_line} or after: {reason}'}"
            ) from error

    def _has_text_labels(self, block: Block) -> bool:
        label = self.roles.label
        if not self.text_labels or label is None or self.columns[label].kind is Kind.CLASS:
            return False
        found = text_columns(block, self.delimiter, len(self.columns), [label], self.missing)
        return bool(found)

    def _odd(self, block: Block) -> frozenset[int]:
        """Return the places of the columns of numbers with texts that are no faults yet."""
        deferred = [place for place, column in enumerate(self.columns) if column.deferred]
        if not deferred:
            return frozenset()
        return frozenset(
            text_columns(block, self.delimiter, len(self.columns), deferred, self.missing)
        )

    def _batch(self, block: Block, odd: frozenset[int], missing: Sequence[str]) -> Batch:
        """Parse a block.

        Parameters
        ----------
        odd : frozenset of int
            The places of columns of numbers that are parsed as text; their texts become NaN.
        missing : sequence of str
            The texts that mean a missing value. pyarrow takes a sixth longer to look for all of
            them in numbers than for a few; in columns of text they are found later.
        """
        content = block.content
        if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
            raise ValueError("a carriage return inside a line, which pyarrow reads as a line end")
        table = parsed(block, self._options(odd, missing))
        roles = self.roles
        rows = len(table[roles.used[0]])
        if b'"' in content and rows != _rows(block):
            raise ValueError("a line end in quotes")
        label, classes = self._label(table, rows)
        weight = None if roles.weight is None else _numbers(table[roles.weight])
        for required in (label, weight):
            if required is not None and not np.isfinite(required).all():
                raise ValueError("a label or weight is missing or infinite")
        features: Floats = np.empty((len(label), len(roles.features)), np.float32)
        categories: dict[int, Sequence[str]] = {}
        dates: dict[int, npt.NDArray[np.float64]] = {}
        for column, place in enumerate(roles.features):
            values = table[place]
            kind = self.columns[place].kind
            if kind is Kind.TEXT:
                categories[column] = _texts(values)
                values = values.indices
            elif kind is Kind.STYLED or place in odd:
                values = self._numbers(place, values, place in odd)
                if isinstance(self.columns[place].cells, DateCells):
                    dates[column] = values.to_numpy(zero_copy_only=False)
            with np.errstate(over="ignore"):  # a value too large for float32 is refused below
                features[:, column] = values.to_numpy(zero_copy_only=False)
            if kind is Kind.CODE:
                _check_codes(features[:, column])
        if np.isinf(features).any():
            raise ValueError("an infinite value")
        return Batch(
            features=features,
            label=label,
            weight=weight,
            qid=None if roles.group is None else _groups(table[roles.group]),
            names=roles.names,
            categories=categories,
            dates=dates,
            odd=frozenset(roles.features.index(place) for place in odd),
            delimiter=self.delimiter,
            ignored=self.ignored,
            classes=classes,
            where=_LineOf(block),
        )

    def _label(self, table: dict[int, pyarrow.Array], rows: int) -> tuple[Floats, Sequence[str]]:
        """Return labels and no texts, or codes and their texts; zeros for rows without labels."""
        place = self.roles.label
        if place is None:
            return np.zeros(rows, np.float32), ()
        if self.columns[place].kind is Kind.CLASS:
            return _numbers(table[place].indices), _texts(table[place])
        if not self.text_labels:
            return _numbers(table[place]), ()
        refuse_leading_zeros(_texts(table[place]), self.path)
        return np.array(self._numbers(place, table[place], False).to_numpy(False), np.float32), ()

    def _numbers(self, place: int, values: Any, odd: bool) -> Any:
        """Return the numbers of a column that is parsed as text; NaN for texts that are odd."""
        import pyarrow

        column = self.columns[place]
        found = []
        for text in _texts(values):
            try:
                found.append(column.cells.text(text))
            except CellError:
                if not (odd and column.defers(text)):
                    raise
                found.append(math.nan)
        return pyarrow.array(found, pyarrow.float64()).take(values.indices)

    def _options(self, odd: frozenset[int], missing: Sequence[str]) -> dict[str, Any]:
        import pyarrow

        # Through float64, as in requests, so that a cell has the same value in both. It takes no
        # more time than float32.
        types = {
            Kind.REQUIRED: pyarrow.float64(),
            Kind.NUMBER: pyarrow.float64(),
            Kind.CODE: pyarrow.float64(),
            Kind.GROUP: pyarrow.int64(),
            Kind.TEXT: text_type(),
            Kind.STYLED: text_type(),
            Kind.CLASS: text_type(),
        }
        read = {place: types[self.columns[place].kind] for place in self.roles.used}
        read |= dict.fromkeys(odd, text_type())
        if self.text_labels and self.roles.label is not None:  # 01 is a text, and 1 a number
            read[self.roles.label] = text_type()
        return options_of(self.delimiter, len(self.columns), read, missing)


@dataclass(frozen=True)
class _LineOf:
    """Returns the line of a row, such as ``line 12``; lines are counted only when it is called."""

    block: Block

    def __call__(self, row: int) -> str:
        filled = (number for number, line in _lines(self.block) if line)
        return f"line {next(islice(filled, row, None))}"


def is_blank(block: Block) -> bool:
    """Return whether a block has empty lines only."""
    # strip() copies the block, and the first byte mostly decides.
    return block.content[:1] in (b"", b"\r", b"\n") and not block.content.strip(b"\r\n")


def _numbers(values: pyarrow.Array) -> Floats:
    return np.array(values.to_numpy(zero_copy_only=False), dtype=np.float32)


def _groups(values: pyarrow.Array) -> npt.NDArray[np.int64]:
    if values.null_count:
        raise ValueError("a group is missing")
    return np.array(values.to_numpy(), dtype=np.int64)


def _texts(values: pyarrow.DictionaryArray) -> list[str]:
    texts: list[str] = values.dictionary.to_pylist()
    if any("\n" in text for text in texts):  # the block's last line leaves a quote open
        raise ValueError("a line end in quotes")
    return texts


def _check_codes(values: Floats) -> None:
    codes = values[~np.isnan(values)]
    if (codes < 0).any() or (codes != np.floor(codes)).any():
        raise ValueError("a code of a category that is not a whole number from 0 on")


def _rows(block: Block) -> int:
    return sum(1 for _, line in _lines(block) if line)


def _lines(block: Block) -> Iterator[tuple[int, bytes]]:
    lines = block.content.split(b"\n")
    for number, line in enumerate(lines, start=block.first_line):
        yield number, line.removesuffix(b"\r")
