"""Convert pyarrow's record batches of a Parquet file to batches, by the types of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats
from tabular.data.cells import CellError, Cells, DateCells, NumberCells, explained
from tabular.data.class_labels import TextLabelsError, refuse_leading_zeros
from tabular.data.declared import DATE, NUMBER
from tabular.data.layout import NUMBERS_ALONE, TEXT_AND_DATES, Layout
from tabular.data.parquet.types import (
    date_texts,
    floats_of,
    index_columns,
    is_date,
    is_number,
    is_text,
    seconds_of,
)
from tabular.data.recoding import translated
from tabular.data.roles import by_name

if TYPE_CHECKING:
    import pyarrow

MISSING = "a label, weight or group is missing; every row needs one"
INFINITE = "infinite, or too large for a 32-bit number; use a finite value or null"
NO_YEAR = "a date outside of the years 1 to 9999; use null for a missing date"
NO_CODE = "no code of a category; codes are whole numbers from 0 on"


@dataclass(frozen=True)
class _Where:
    """Returns the number of a row in its file, such as ``row 12``."""

    first_row: int
    place: str

    def __call__(self, row: int) -> str:
        return f"row {self.first_row + row}{self.place}"


class BatchReader:
    """Converts the record batches of one Parquet file.

    Attributes
    ----------
    used : list of str
        The columns to read.
    texts : list of str
        The columns to read that hold text.
    """

    def __init__(self, path: Path, schema: pyarrow.Schema, layout: Layout, place: str) -> None:
        import pyarrow

        self._path = path
        self._place = place
        self._names: list[str] = schema.names
        if not self._names:
            raise UserError(f"{path} has no columns")
        # csv_weights is for CSV alone.
        layout = replace(layout, weights=False)
        self._roles = by_name(self._names, layout, path, index_columns(schema))
        types = layout.feature_types or (None,) * len(self._roles.features)
        stated = dict(zip(self._roles.features, types, strict=True))
        self._layout = layout
        self._text: set[int] = set()
        for column, kind in stated.items():
            arrow_type = schema.field(column).type
            if self._read_as_text(column, arrow_type, kind):
                if not layout.deferred and layout.cells_of(self._names[column]) is None:
                    self._check_category(column, arrow_type, kind, layout)
                self._text.add(column)
        self._dates = {
            column
            for column, kind in stated.items()
            if kind is None and self._read_as_dates(column, schema.field(column).type)
        } - self._text
        self._codes = {column for column, kind in stated.items() if kind == "c"} - self._text
        self._plain = NumberCells(frozenset(layout.missing))
        self._moments = DateCells(frozenset(layout.missing))
        label = self._roles.label
        if label is not None and (layout.classes or layout.text_labels):
            label_type = schema.field(label).type
            boolean = pyarrow.types.is_boolean(label_type)
            if layout.exact_classes:
                as_text = is_number(label_type) or is_text(label_type)
            else:
                # Without deferring, the file is not read again.
                as_text = boolean or (is_text(label_type) and not self._may_read_again)
            if as_text and boolean and self._may_read_again and not layout.exact_classes:
                raise TextLabelsError(f"{path}, {self._shown(label)} is boolean ({label_type})")
            if as_text:
                self._text.add(label)
        self._required_columns = {label, self._roles.weight}
        for column in set(self._roles.used) - self._text - self._dates:
            self._check_number(column, schema.field(column).type)
        self.used = [self._names[column] for column in self._roles.used]
        features = set(self._roles.features)
        self._ignored = tuple(
            name for place, name in enumerate(self._names) if place not in features
        )
        self.texts = [
            self._names[column] for column in self._text if is_text(schema.field(column).type)
        ]

    @property
    def _may_read_again(self) -> bool:
        """Whether labels of text are marked by an error, and the file is then read again."""
        return self._layout.text_labels and self._layout.deferred

    def read(self, batch: pyarrow.RecordBatch, first_row: int) -> Batch:
        """Convert a record batch; ``first_row`` is the number of its first row, from 1.

        Raises
        ------
        UserError
            A label, weight or group is missing, a value is infinite, or a code of a category is
            not a whole number from 0 on.
        """
        where = _Where(first_row, self._place)
        roles = self._roles
        label, classes = self._label(batch, where)
        weight = None if roles.weight is None else self._required(batch, roles.weight, where)
        qid = None if roles.group is None else self._groups(batch, roles.group, where)
        features: Floats = np.empty((len(label), len(roles.features)), np.float32)
        categories: dict[int, Sequence[str]] = {}
        dates: dict[int, npt.NDArray[np.float64]] = {}
        for place, column in enumerate(roles.features):
            if column in self._text:
                codes, texts = _coded(self._values(batch, column))
                cells = self._layout.cells_of(self._names[column])
                if cells is None:
                    features[:, place], categories[place] = codes, texts
                    continue
                read = self._read_texts(codes, texts, cells, column, where)
                if isinstance(cells, DateCells):
                    dates[place] = read
                features[:, place] = read
                continue
            if column in self._dates:
                seconds = seconds_of(self._values(batch, column))
                self._refuse(np.isinf(seconds), column, where, NO_YEAR)
                dates[place] = self._moments.moments(seconds)
                features[:, place] = dates[place]
                continue
            numbers = self._numbers(batch, column, where)
            if column in self._codes:
                broken = (numbers != np.floor(numbers)) & ~np.isnan(numbers)
                self._refuse((numbers < 0) | broken, column, where, NO_CODE)
            features[:, place] = numbers
        return Batch(
            features,
            label,
            weight,
            qid,
            roles.names,
            categories,
            dates,
            ignored=self._ignored,
            classes=classes,
            where=where,
        )

    def _read_as_text(self, column: int, arrow_type: Any, stated: str | None) -> bool:
        """Return whether a feature is read as text: it is text, a boolean, or text elsewhere."""
        import pyarrow

        if is_text(arrow_type):
            return True
        readable = is_number(arrow_type) or is_date(arrow_type)
        if not readable or stated is not None:
            return False
        if self._layout.refused is not None and self._layout.refused[0] == self._names[column]:
            return True
        declared = self._layout.declared.get(self._names[column])
        if declared is not None and declared.kind == DATE:
            return is_number(arrow_type)  # a number, whose text is no date, is a fault
        if declared is not None:
            return declared.kind != NUMBER
        texts = self._layout.texts
        return (self._layout.deferred and pyarrow.types.is_boolean(arrow_type)) or (
            texts is not None and self._names[column] in texts
        )

    def _read_as_dates(self, column: int, arrow_type: Any) -> bool:
        """Return whether a feature has a type of dates, and the job takes dates."""
        declared = self._layout.declared.get(self._names[column])
        if declared is not None:
            return is_date(arrow_type) and declared.kind == DATE
        return is_date(arrow_type) and self._layout.categorical

    def _read_texts(
        self,
        codes: npt.NDArray[Any],
        texts: Sequence[str],
        cells: Cells,
        column: int,
        where: _Where,
    ) -> npt.NDArray[np.float64]:
        """Return what the texts of a column stand for, float64, (rows,)."""
        table = np.empty(len(texts), np.float64)
        for code, text in enumerate(texts):
            try:
                table[code] = cells.text(text)
            except CellError as error:
                self._refuse(codes == code, column, where, explained(error, cells))
                table[code] = np.nan  # a text that no row has
        return translated(np.array(codes, np.float32), table)

    def _label(self, batch: pyarrow.RecordBatch, where: _Where) -> tuple[Floats, Sequence[str]]:
        """Return labels and no texts, or codes and their texts; zeros for rows without labels."""
        column = self._roles.label
        if column is None:
            return np.zeros(batch.num_rows, np.float32), ()
        if column not in self._text:
            return self._required(batch, column, where), ()
        values = self._values(batch, column)
        codes, classes = _coded(values)
        label = np.array(codes, np.float32)
        self._refuse(np.isnan(label), column, where, MISSING)
        return label, classes

    def _values(self, batch: pyarrow.RecordBatch, column: int) -> pyarrow.Array:
        return batch.column(batch.schema.get_field_index(self._names[column]))

    def _numbers(self, batch: pyarrow.RecordBatch, column: int, where: _Where) -> Floats:
        with np.errstate(over="ignore"):  # a value too large for float32 is refused below
            numbers = floats_of(self._values(batch, column)).astype(np.float32)
        self._refuse(np.isinf(numbers), column, where, INFINITE)
        return numbers

    def _required(self, batch: pyarrow.RecordBatch, column: int, where: _Where) -> Floats:
        values = self._values(batch, column)
        if is_text(values.type):
            codes, texts = _coded(values)
            if column == self._roles.label and self._may_read_again:
                refuse_leading_zeros(texts, self._path)
            try:
                read = self._read_texts(codes, texts, self._plain, column, where)
            except UserError as error:
                if column == self._roles.label and self._may_read_again:
                    raise TextLabelsError(str(error)) from error
                raise
            numbers = read.astype(np.float32)
        else:
            numbers = self._numbers(batch, column, where)
        self._refuse(np.isnan(numbers), column, where, MISSING)
        return np.array(numbers)

    def _groups(
        self, batch: pyarrow.RecordBatch, column: int, where: _Where
    ) -> npt.NDArray[np.int64]:
        import pyarrow

        values = self._values(batch, column)
        self._refuse(values.is_null().to_numpy(zero_copy_only=False), column, where, MISSING)
        try:
            return np.array(values.cast(pyarrow.int64()).to_numpy(), dtype=np.int64)
        except pyarrow.ArrowInvalid as error:
            raise UserError(
                f"{self._path}, {self._shown(column)}: {str(error)[:100]}; write groups as "
                "64-bit integers"
            ) from error

    def _refuse(self, wrong: npt.NDArray[np.bool_], column: int, where: _Where, words: str) -> None:
        if wrong.any():
            place = where(int(wrong.argmax()))
            raise UserError(f"{self._path} {place}, {self._shown(column)}: {words}")

    def _shown(self, column: int) -> str:
        return f"column '{self._names[column][:60]}'"

    def _check_category(self, column: int, kind: Any, stated: str | None, layout: Layout) -> None:
        if stated == "c" or (stated is None and layout.categorical):
            return
        cure = (
            f"feature_types has {stated} for it; use c for a category"
            if stated
            else NUMBERS_ALONE
            if layout.classes
            else TEXT_AND_DATES
        )
        raise UserError(f"{self._path}, {self._shown(column)} is text ({kind}); {cure}")

    def _check_number(self, column: int, kind: Any) -> None:
        import pyarrow

        if column == self._roles.group:
            if not pyarrow.types.is_integer(kind):
                raise UserError(
                    f"{self._path}, {self._shown(column)} has type {str(kind)[:60]}; the group "
                    "must be an integer"
                )
        elif not is_number(kind) and not (is_text(kind) and column in self._required_columns):
            cure = "write it as a number"
            if is_date(kind) and column in self._roles.features and not self._layout.classes:
                cure = TEXT_AND_DATES.partition(",")[0]
            cure += (
                ", or choose other columns with the hyperparameter features"
                if column in self._roles.features
                else "; labels and weights are numbers"
            )
            raise UserError(
                f"{self._path}, {self._shown(column)} has type {str(kind)[:60]}, which is neither "
                f"number nor text; {cure}"
                if not is_text(kind)
                else f"{self._path}, {self._shown(column)} is text ({kind}); {cure}"
            )


def _coded(values: pyarrow.Array) -> tuple[Any, list[str]]:
    """Encode a column as text: the code of each row, NaN where missing, and the texts."""
    import pyarrow

    if pyarrow.types.is_dictionary(values.type):
        # The dictionary may contain a text twice, or texts that no row of the batch has.
        coded = values.dictionary.cast(pyarrow.string()).dictionary_encode()
        codes = coded.indices.take(values.indices).dictionary_encode()
        texts = coded.dictionary.take(codes.dictionary).to_pylist()
        return codes.indices.to_numpy(zero_copy_only=False), texts
    if is_date(values.type):
        dates = date_texts(values)
        return dates.indices.to_numpy(zero_copy_only=False), dates.dictionary.to_pylist()
    coded = values.cast(pyarrow.string()).dictionary_encode()
    texts = coded.dictionary.to_pylist()
    if pyarrow.types.is_boolean(values.type):  # "True", as Python and pandas write it
        texts = [text.capitalize() for text in texts]
    return coded.indices.to_numpy(zero_copy_only=False), texts
