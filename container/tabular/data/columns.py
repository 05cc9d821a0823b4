"""The feature columns that all channels of all hosts have in common."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.data.batch import ColumnsError, Floats
from tabular.data.cells import (
    BooleanCells,
    CategoryCells,
    CellError,
    Cells,
    DateCells,
    IgnoredCells,
    NumberCells,
    explained,
)
from tabular.data.dates import DATE_FEATURES, DateColumn, features_of
from tabular.data.encoded_cells import ValueCells, for_dtype
from tabular.data.quoting import all_quoted, listed
from tabular.data.spelling import FEW_MISSING, NumberStyle, missing_numbers

# What is known of the indices of sparse text (LIBSVM) that a model was trained on.
UNKNOWN = ""  # nothing: the artifact has no manifest, or one of an older image
NOT_INDEXED = "none"  # the training data had no such indices
KNOWN = "known"  # the first index was declared, or index 0 occurred
UNDECLARED = "undeclared"  # no index 0 occurred, which may be the first one or not
# How a content type declares the first index.
DECLARED = "text/libsvm; base=0, or text/libsvm; base=1"


@dataclass(frozen=True)
class Columns:
    """The feature columns of a model: what a request must have, and how its values are read.

    Attributes
    ----------
    count : int
    base : int
        The index of the first column in the files, 0 or 1. Only LIBSVM may start from 1.
    names : sequence of str
    categories : mapping of int to sequence of str
        For each column of text, the values that the codes 0, 1, ... stand for.
    values : mapping of int to sequence of str, bool, int or float
        For each column that an estimator without a manifest takes as categories, what the codes
        stand for. Columns of text are also in ``categories``.
    unknown : float or None
        The code of a text in a request that ``categories`` does not have. NaN makes it missing,
        and None refuses it.
    booleans : collection of int
        The columns of booleans.
    dates : mapping of int to DateColumn
        The columns of dates, each of which becomes several features.
    styles : mapping of int to NumberStyle
        The columns of numbers that are formatted as in a locale, such as ``1,234.5``.
    missing : sequence of str
        The texts that mean a missing value in all columns.
    spelled_missing : mapping of int to sequence of str
        Further texts that mean a missing value in a column of numbers or dates.
    delimiter : str
        The delimiter of the training files, if they are CSV: the one of requests without a header.
    ignored : collection of str
        Names that a request may have beside the model's: columns of the training files that are no
        features.
    extra : bool or None
        Whether requests may have columns by any other name. None where the schema does not say.
    statistics : sequence of mappings
        The missing share and the range of each column; see ``column_table``.
    indices : str
        What is known of LIBSVM's indices: ``UNKNOWN``, ``NOT_INDEXED``, ``KNOWN`` or
        ``UNDECLARED``.
    sparse : bool
        The training files were sparse: their rows leave values out.
    absent : float
        The value of a column that a sparse row leaves out. NaN makes it missing.
    unread : collection of int
        Columns of a body that are no features; the columns of a model have none.
    lenient : bool
        Texts are matched without regard to case and blanks. False for artifacts without a schema.
    """

    count: int
    base: int = 0
    names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    values: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    unknown: float | None = math.nan
    booleans: Collection[int] = ()
    dates: Mapping[int, DateColumn] = field(default_factory=dict)
    styles: Mapping[int, NumberStyle] = field(default_factory=dict)
    missing: Sequence[str] = FEW_MISSING
    spelled_missing: Mapping[int, Sequence[str]] = field(default_factory=dict)
    delimiter: str = ""
    ignored: Collection[str] = ()
    extra: bool | None = None
    statistics: Sequence[Mapping[str, Any]] = field(default=(), compare=False)
    indices: str = UNKNOWN
    sparse: bool = False
    absent: float = math.nan
    unread: Collection[int] = ()
    lenient: bool = False
    unknown_texts: UnknownTexts = field(default_factory=lambda: UnknownTexts(), compare=False)

    def with_other_start(self) -> Columns | None:
        """Return the columns of a dense row that has one column more, or less, at its start.

        If training data did not declare its first index and has the indices 1 to N, a row of N
        values begins with index 1, and a row of N + 1 values with index 0, which has no effect on
        the model. None if the model has no other number of columns.
        """
        if self.indices != UNDECLARED:
            return None
        return replace(self, count=self.count + (1 if self.base else -1), base=1 - self.base)

    @cached_property
    def special(self) -> dict[int, Cells]:
        """The readers of the columns whose texts are not only plain numbers."""
        missing = frozenset(self.missing)
        found: dict[int, Cells] = {
            column: NumberCells(
                missing.union(self.spelled_missing.get(column, ())),
                self.styles.get(column, NumberStyle.POINT),
            )
            for column in {*self.styles, *self.spelled_missing}
        }
        found |= {
            column: DateCells(
                missing.union(self.spelled_missing.get(column, ())), self.dates[column].style
            )
            for column in self.dates
        }
        found |= {column: BooleanCells(missing) for column in self.booleans}
        for column, texts in self.categories.items():
            count = partial(self.unknown_texts.add, self.name_of(column))
            found[column] = CategoryCells(texts, missing, self.unknown, self.lenient, count)
        for column in self.values.keys() - self.categories.keys():
            count = partial(self.unknown_texts.add, self.name_of(column))
            unknown = math.nan if self.unknown is None else self.unknown
            found[column] = ValueCells(self.values[column], missing, unknown, count)
        found |= {column: IgnoredCells() for column in self.unread}
        return found

    def name_of(self, column: int) -> str:
        """Return the name of a column, or else its number from 1."""
        return self.names[column] if self.names else str(column + 1)

    def shown(self, column: int) -> str:
        """Return the name of a column, or else ``number 3``, for messages about training."""
        return self.names[column] if self.names else f"number {column + 1}"

    def position(self, column: int) -> str:
        """Return ``column 3 (age)``, or ``column 3`` without names, for messages about requests."""
        name = f" ({self.names[column][:40]})" if self.names else ""
        return f"column {column + 1}{name}"

    @cached_property
    def numbers(self) -> NumberCells:
        """The reader of all other columns."""
        return NumberCells(frozenset(self.missing))

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that mean a missing value in columns of numbers."""
        return missing_numbers(self.missing)

    @cached_property
    def dtype(self) -> type[np.float32 | np.float64]:
        """The dtype of rows as they are read: float32 has not enough digits for dates."""
        return np.float64 if self.dates else np.float32

    @cached_property
    def features(self) -> Columns:
        """The columns of the matrix that the model takes: of these, with features for dates."""
        if not self.dates:
            return self
        names: list[str] = []
        for at, name in enumerate(self.names):
            names += self.date_names(name) if at in self.dates else [name]
        moved = {**self._moved(self.starts), "dates": {}}
        return replace(self, count=self.starts[-1], names=tuple(names), statistics=(), **moved)

    @cached_property
    def starts(self) -> list[int]:
        """The place in ``features`` of each column, or of the first feature of a date; the end."""
        widths = [len(DATE_FEATURES) if at in self.dates else 1 for at in range(self.count)]
        return list(accumulate(widths, initial=0))

    @staticmethod
    def date_names(name: str) -> list[str]:
        """Return the names of the features of a column of dates.

        >>> Columns.date_names("when")
        ['when.seconds', 'when.year', 'when.month', 'when.weekday', 'when.hour']
        """
        return [f"{name}.{feature}" for feature in DATE_FEATURES]

    def expanded(self, rows: npt.NDArray[Any]) -> Floats:
        """Return the features of rows that were read by these columns.

        Parameters
        ----------
        rows : array of ``dtype``, (rows, columns)

        Returns
        -------
        float32 array, (rows, features.count)
        """
        if not self.dates:
            return rows
        found: Floats = np.empty((len(rows), self.features.count), np.float32)
        with np.errstate(over="ignore"):
            for column, (start, stop) in enumerate(pairwise(self.starts)):
                if column in self.dates:
                    first = self.dates[column].first
                    found[:, start:stop] = features_of(rows[:, column], first)
                else:
                    found[:, start] = rows[:, column]
        return found

    def features_of(self, rows: npt.NDArray[Any]) -> Floats:
        """Return what the model takes of a request's rows: no ``missing_numbers``, and no dates."""
        if self.missing_numbers:
            others = {*self.categories, *self.booleans, *self.dates}
            rows = without_numbers(rows, self.missing_numbers, others)
        return self.expanded(rows)

    def cells(self, column: int) -> Cells:
        """Return the reader of a column."""
        return self.special.get(column, self.numbers)

    def may_ignore(self, name: str) -> bool:
        """Return whether a request may have a column of this name beside the model's."""
        return bool(self.extra) or name in self.ignored

    def within(self, names: Sequence[str]) -> tuple[Columns, tuple[int, ...]]:
        """Return the columns of a body that has all of these columns, by name, and maybe others.

        Parameters
        ----------
        names : sequence of str
            The names in the body.

        Returns
        -------
        columns : Columns
            The columns of the body.
        places : tuple of int
            The position in the body of each of these columns.
        """
        at = {name: place for place, name in enumerate(names)}
        places = tuple(at[name] for name in self.names)
        body = replace(
            self,
            count=len(names),
            names=names,
            unread=set(range(len(names))) - set(places),
            **self._moved(places),
        )
        return body, places

    def _moved(self, places: Sequence[int]) -> dict[str, Any]:
        """Return the fields that are kept by column, with columns at other places."""
        kept = ("categories", "values", "dates", "styles", "spelled_missing")
        moved = {
            name: {places[column]: value for column, value in getattr(self, name).items()}
            for name in kept
        }
        return {**moved, "booleans": [places[column] for column in self.booleans]}


class UnknownTexts:
    """Reports the texts of requests that no training row has.

    Attributes
    ----------
    report : callable
        Called for each such text with the name of its column, or else with its number from 1. The
        text itself is not passed on.
    """

    def __init__(self) -> None:
        self.report: Callable[[str], None] = _unreported

    def add(self, column: str) -> None:
        """Report a text."""
        self.report(column)


def _unreported(column: str) -> None:
    """Do nothing: nobody asked for reports."""


def check_names(found: Iterable[str], columns: Columns, where: str) -> None:
    """Check that a request has the model's columns, in any order, and no others.

    Columns that the model ignores may be there too.

    Raises
    ------
    ColumnsError
        A name is missing, unknown or repeated. The message names it, and the expected names.
    """
    expected = columns.names
    times, known = Counter(iter(found)), set(expected)
    missing = [name for name in expected if name not in times]
    unknown = [name for name in times if name not in known and not columns.may_ignore(name)]
    repeated = [name for name in expected if times[name] > 1]
    faults = [f"lacks {all_quoted(missing)}"] * bool(missing)
    faults += [f"has {all_quoted(unknown)}, which the model does not know"] * bool(unknown)
    faults += [f"has {all_quoted(repeated)} more than once"] * bool(repeated)
    if faults:
        raise ColumnsError(f"{where} {' and '.join(faults)}; expected {listed(expected)}")


def coded(rows: npt.NDArray[Any], columns: Columns) -> npt.NDArray[Any]:
    """Read numbers of formats without text by the kinds of the columns.

    Artifacts with a manifest but without a schema take codes of categories as they are.

    Raises
    ------
    ValueError
        A number does not fit its column. The message names row and column.
    """
    for column, cells in columns.special.items():
        if isinstance(cells, NumberCells) or not (columns.lenient or column in columns.values):
            continue
        numbers, places = np.unique(rows[:, column], return_inverse=True)
        cells = for_dtype(cells, rows.dtype)
        found = np.empty(len(numbers), np.float32)
        for place, number in enumerate(numbers.tolist()):
            try:
                if isinstance(cells, CategoryCells) and not (
                    cells.has_numbers or math.isnan(number)
                ):
                    raise CellError(f"{number:g} is a number, and the categories are text")
                found[place] = cells.number(number)
            except CellError as error:
                row = int((places == place).argmax()) + 1
                raise ValueError(
                    f"row {row}, {columns.position(column)}: {explained(error, cells)}, which CSV, "
                    "JSON and Parquet can hold"
                ) from error
        rows[:, column] = found[places]
    return rows


def without_numbers(
    rows: npt.NDArray[Any], numbers: Collection[float], other_columns: Collection[int]
) -> npt.NDArray[Any]:
    """Return rows with NaN in place of some numbers, except in ``other_columns``."""
    rows = np.array(rows)
    places = [column for column in range(rows.shape[1]) if column not in other_columns]
    for column in places:
        wrong = np.isin(rows[:, column], np.array(numbers, np.float32))
        rows[wrong, column] = np.nan
    return rows
