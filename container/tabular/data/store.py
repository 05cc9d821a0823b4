"""The rows of one channel, kept in memory or on disk between reading and training.

Each file is parsed once. XGBoost passes over the rows four times to bin them, so the rows are kept
as float32, 4 bytes a value: in memory within the ``MemoryBudget``, otherwise in temporary files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Sparse
from tabular.data.batch_schema import BatchSchema
from tabular.data.columns import Columns
from tabular.data.dates import DATE_FEATURES, packed
from tabular.data.declared import DeclaredColumn
from tabular.data.memory_budget import MemoryBudget
from tabular.data.recoding import recoded, tables_of, translated, with_final_columns
from tabular.data.spill import SpillFiles
from tabular.data.value_counts import ValueCounts


class Store:
    """Rows of one channel: appended batch by batch, sealed, then read any number of times.

    Parameters
    ----------
    budget : MemoryBudget
        Shared by the stores of all channels.

    Attributes
    ----------
    rows : int
        The number of rows kept.
    read : int
        The number of rows read, including the rows of other hosts, which are not kept.
    width : int
        The number of feature columns. For sparse rows, the number that the largest index needs.
    values : int
        The number of values that are not missing.
    lowest : int or None
        The smallest column index, for formats whose indices may start from 0 or 1.
    base : int or None
        The first index, 0 or 1, if the channel's content type declares it.
    sparse : bool
    names : sequence of str
        The feature columns' names; empty for formats without names.
    categories : dict of int to dict of str to int
        For each feature column of text, the code of each value, in order of appearance.
    dates : sequence of int
        The feature columns that are read as dates.
    counts : ValueCounts
        The values of each column.
    delimiter : str
        The delimiter of CSV files.
    ignored : sequence of str
        The names of columns that are no features.
    styles : mapping of int to DeclaredColumn
        The columns of text that were read as numbers.
    classes : dict of str to int, or None
        For text labels, the code of each label, in order of appearance.
    columns : Columns or None
        The columns of ``features``, after ``seal``.
    files : list of (Path, int)
        The files in the order of reading, and the number of rows read from each.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self.rows = self.read = self.width = self.values = 0
        self.lowest: int | None = None
        self.base: int | None = None
        self.sparse = False
        self.names: Sequence[str] = ()
        self.categories: dict[int, dict[str, int]] = {}
        self.counts = ValueCounts()
        self.delimiter = ""
        self.ignored: Sequence[str] = ()
        self.styles: Mapping[int, DeclaredColumn] = {}
        self.classes: dict[str, int] | None = None
        self.columns: Columns | None = None
        self._read_columns: Columns | None = None  # what ``seal`` was given
        self.files: list[tuple[Path, int]] = []
        self._budget = budget
        self._taken = 0
        self._schema: BatchSchema | None = None
        # For each name the arrays of all batches, joined when they are first asked for.
        self._per_row: dict[str, list[npt.NDArray[Any]]] = {"label": [], "weight": [], "qid": []}
        self._chunks: list[Any] = []
        self._spilled: SpillFiles | None = None
        self._released = False
        self._tables: dict[int, npt.NDArray[Any]] = {}
        self.dates: Sequence[int] = ()
        self._stored_width = 0
        self._positions: list[npt.NDArray[np.int64]] = []

    @property
    def text_keys(self) -> frozenset[str | int]:
        """The columns that are read as text, by name or else by position."""
        return frozenset(self.names[column] if self.names else column for column in self.categories)

    @property
    def on_disk(self) -> bool:
        """Whether the features are on disk."""
        return self._spilled is not None

    @property
    def taken(self) -> int:
        """Bytes of memory that the features take; 0 when they are on disk."""
        return self._taken

    def append(self, batch: Batch, path: Path, pick: npt.NDArray[np.bool_] | None = None) -> None:
        """Add the rows of a batch.

        Parameters
        ----------
        path : Path
            The file of the batch.
        pick : bool array, (rows,), or None
            The rows to keep; other hosts keep the others. None keeps all rows. A store gets a
            ``pick`` with every batch, or with none.

        Raises
        ------
        UserError
            The batch has another schema than the batches before it, or the channel has more rows
            than ``MemoryBudget.most_rows``. The message names the file.
        PlatformError
            The disk is full.
        """
        if pick is not None:
            self._positions.append(np.flatnonzero(pick) + self.read)
        self.read += len(batch)
        if self.files and self.files[-1][0] == path:
            self.files[-1] = (path, self.files[-1][1] + len(batch))
        else:
            self.files.append((path, len(batch)))
        if pick is not None:
            batch = batch.pick(pick)
        features = batch.features
        if self._schema and self.rows:
            self._schema.require_same(batch, path)
        else:
            self._schema = schema = BatchSchema.of(batch)
            self.sparse, self.names, self.width = schema.sparse, schema.names, schema.width
            self.categories = {column: {} for column in batch.categories}
            self.counts = ValueCounts(0 if schema.sparse else schema.width, batch.categories)
            self.dates = sorted(batch.dates)
            self._stored_width = schema.width + len(self.dates)
            self.delimiter, self.ignored = batch.delimiter, batch.ignored
            self.classes = {} if batch.classes else None
        self.width = max(self.width, features.shape[1])
        self.counts.odd |= batch.odd
        if not len(batch):
            return
        self.rows += len(batch)
        if self._budget.most_rows is not None and self.rows > self._budget.most_rows:
            raise UserError(
                f"{path}: with this file the channel has more than {self._budget.most_rows:,} "
                f"rows, {self._budget.too_many}"
            )
        if self.sparse:
            self.values += features.nnz  # type: ignore[union-attr]
        else:
            features = np.ascontiguousarray(self._with_store_codes(batch))
            self.values += self.counts.add(features)
            if batch.dates:
                for column, seconds in batch.dates.items():
                    self.counts.add_dates(column, seconds)
                features = packed(features, batch.dates)
        if batch.lowest_index is not None:
            known = batch.lowest_index if self.lowest is None else self.lowest
            self.lowest = min(known, batch.lowest_index)
        label = batch.label
        if self.classes is not None:
            label = recoded(label, batch.classes, self.classes)
        for name, array in (("label", label), ("weight", batch.weight), ("qid", batch.qid)):
            if array is not None:
                self._per_row[name].append(array)
        self._keep(features)

    def seal(self, columns: Columns) -> None:
        """Set the columns that all channels and hosts agreed on; no batch is appended after.

        Raises
        ------
        UserError
            A text does not fit what its column is.
        """
        self.columns, self._read_columns = columns.features, columns
        if columns.dates and self.rows:
            known = self.rows - self.counts.missing[sorted(columns.dates)]
            self.values += (len(DATE_FEATURES) - 1) * int(known.sum())
            self.width = columns.features.count
        self._tables = tables_of(self.categories, columns)

    def translate_labels(self, values: Mapping[str, float]) -> None:
        """Replace the codes of text labels by ``values``, which has all texts."""
        table = np.array([values[text] for text in self.classes or ()], np.float32)
        if len(table) and self.rows:
            self._per_row["label"] = [translated(self.label, table)]

    @property
    def label(self) -> Floats:
        """All labels, float32, (rows,)."""
        return cast(Floats, self._joined("label"))

    @property
    def weight(self) -> Floats | None:
        """All weights, float32, (rows,), or None when the rows have no weight."""
        return cast("Floats | None", self._joined("weight"))

    @property
    def qid(self) -> npt.NDArray[np.int64] | None:
        """The group of each row, int64, (rows,), or None when the rows have no group."""
        return cast("npt.NDArray[np.int64] | None", self._joined("qid"))

    @property
    def positions(self) -> npt.NDArray[np.int64] | None:
        """Row numbers of the kept rows among all rows of ``files``, int64; None when all are."""
        if len(self._positions) > 1:
            self._positions[:] = [np.concatenate(self._positions)]
        return self._positions[0] if self._positions else None

    def features(
        self, slice_bytes: int, last: bool = False
    ) -> Iterator[tuple[int, Floats | Sparse]]:
        """Read the features in order, piece by piece.

        Parameters
        ----------
        slice_bytes : int
            The size of a piece when the features are on disk. In memory, a piece is a batch.
        last : bool
            The features are not read again, so the memory of each piece is released after it.

        Yields
        ------
        (int, float32 array or CSR matrix, (rows, columns.count))
            The number of the piece's first row, and the piece. Sparse indices start from 0.
            Text has the codes of ``columns``, and dates are features.
        """
        if self._released:
            raise RuntimeError("the features are read again, but their memory was given back")
        self._released = last
        start = 0
        pieces = self._spilled.pieces(slice_bytes) if self._spilled else self._in_memory(last)
        columns = cast(Columns, self._read_columns)
        shifted = bool(columns.base) and self.lowest is not None
        for piece in pieces:
            yield start, with_final_columns(piece, columns, self._tables, self.dates, shifted)
            start += piece.shape[0]

    def describe(self, name: str) -> dict[str, Any]:
        """Return what ``inference.agree`` needs of channel ``name``, as values for JSON."""
        return {
            "name": name,
            "rows": self.rows,
            "weight": None if self.weight is None else float(self.weight.sum(dtype=np.float64)),
            "width": self.width,
            "lowest": self.lowest,
            "base": self.base,
            "sparse": self.sparse,
            "names": list(self.names),
            **self.counts.describe(),
            "delimiter": self.delimiter,
            "ignored": list(self.ignored),
            "styles": [
                [column, style.style.value, list(style.missing)]
                for column, style in self.styles.items()
            ],
            "classes": None if self.classes is None else list(self.classes),
        }

    def spill(self) -> SpillFiles:
        """Move the features to disk and release their memory; do nothing if they are there.

        Raises
        ------
        PlatformError
            The disk is full.
        """
        if self._spilled is None:
            self._spilled = SpillFiles(self._budget.folder, self.sparse, self._stored_width)
            self._chunks.reverse()
            while self._chunks:
                self._spilled.write(self._chunks.pop())
            self._release()
        return self._spilled

    def close(self) -> None:
        """Release the memory and delete the files."""
        self._release()
        self._chunks = []
        if self._spilled:
            self._spilled.close()

    def _release(self) -> None:
        self._budget.release(self._taken)
        self._taken = 0

    def _joined(self, name: str) -> Any:
        arrays = self._per_row[name]
        if len(arrays) > 1:
            arrays[:] = [np.concatenate(arrays)]
        return arrays[0] if arrays else None

    def _with_store_codes(self, batch: Batch) -> Floats:
        """Return dense features with the store's codes of text in place of the batch's."""
        features = cast(Floats, batch.features)
        if not batch.categories:
            return features
        features = features.copy()
        for column, texts in batch.categories.items():
            self.counts.add_texts(column, features[:, column], texts)
            features[:, column] = recoded(features[:, column], texts, self.categories[column])
        return features

    def _in_memory(self, last: bool) -> Iterator[Any]:
        if not last:
            yield from self._chunks
            return
        self._chunks.reverse()
        while self._chunks:
            yield self._chunks.pop()

    def _keep(self, features: Any) -> None:
        size = _bytes_of(features)
        if self._spilled is None and self._budget.reserve(size):
            self._taken += size
            self._chunks.append(features)
            return
        self.spill().write(features)


def _bytes_of(features: Any) -> int:
    """Return the bytes of memory that features take, a float32 array or CSR matrix."""
    if isinstance(features, np.ndarray):
        return features.nbytes
    return int(features.data.nbytes + features.indices.nbytes + features.indptr.nbytes)
