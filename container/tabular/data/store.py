"""The rows of a channel between reading and learning: in memory, or on disk when that is small.

Every file is parsed once. XGBoost passes over the rows four times to bin them, so they are kept
as float32, 4 bytes a value, in memory while ``Room`` has some, else in files without a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Floats, Sparse
from tabular.data.columns import Columns, listed, translated
from tabular.data.disk import Disk, Room, size_of


class Store:
    """Rows of one channel, appended batch by batch, then read as often as needed.

    Attributes
    ----------
    rows, read, width, values : int
        ``read`` counts the rows not kept, too; width is the number of columns, or what the
        largest index needs; ``values`` are those present.
    lowest : int or None
        The smallest index of a format that may count from 0 or 1.
    sparse : bool
    names : sequence of str
    categories : dict of int to dict of str to int
        For each column of text, the code of each value, in the order of appearance.
    classes : dict of str to int, or None
        For labels that are text, the code of each, in the order of appearance.
    files : list of (Path, int)
        What was read, in order, and how many rows of each file, those not kept included.
    """

    def __init__(self, room: Room) -> None:
        self.rows = self.read = self.width = self.values = 0
        self.lowest: int | None = None
        self.sparse = False
        self.names: Sequence[str] = ()
        self.categories: dict[int, dict[str, int]] = {}
        self.classes: dict[str, int] | None = None
        self.columns: Columns | None = None
        self.files: list[tuple[Path, int]] = []
        self._room = room
        self._taken = 0
        self._meta: dict[str, list[npt.NDArray[Any]]] = {"label": [], "weight": [], "qid": []}
        self._chunks: list[Any] = []
        self._disk: Disk | None = None
        self._gone = False
        self._positions: list[npt.NDArray[np.int64]] = []

    @property
    def on_disk(self) -> bool:
        """Whether the rows did not fit into memory."""
        return self._disk is not None

    @property
    def taken(self) -> int:
        """How many bytes of memory the features take."""
        return self._taken

    def append(self, batch: Batch, path: Path, pick: npt.NDArray[np.bool_] | None = None) -> None:
        """Add rows.

        Parameters
        ----------
        pick : bool array, (rows,), or None
            Which rows are kept, for each batch or for none: another host keeps the others.

        Raises
        ------
        UserError
            They do not go with the rows before: names the file.
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
        sparse = not isinstance(features, np.ndarray)
        if self.rows:
            self._check_alike(batch, sparse, path)
        else:
            self.sparse, self.names, self.width = sparse, batch.names, features.shape[1]
            self.categories = {column: {} for column in batch.categories}
            self.classes = {} if batch.classes else None
        self.width = max(self.width, features.shape[1])
        if not len(batch):
            return
        self.rows += len(batch)
        if self._room.most_rows is not None and self.rows > self._room.most_rows:
            raise UserError(
                f"{path}: with this file the channel has more than {self._room.most_rows:,} rows, "
                f"{self._room.too_many}"
            )
        if sparse:
            self.values += features.nnz  # type: ignore[union-attr]
        else:
            features = np.ascontiguousarray(self._coded(batch))
            self.values += features.size - int(np.isnan(features).sum())
        if batch.lowest_index is not None:
            known = batch.lowest_index if self.lowest is None else self.lowest
            self.lowest = min(known, batch.lowest_index)
        label = self._label_of(batch)
        for name, given in (("label", label), ("weight", batch.weight), ("qid", batch.qid)):
            if given is not None:
                self._meta[name].append(given)
        self._keep(features)

    def seal(self, columns: Columns) -> None:
        """Fix what the columns are; nothing is appended any more."""
        self.columns = columns

    @property
    def label(self) -> Floats:
        """All labels, float32, (rows,)."""
        return cast(Floats, self._joined("label"))

    @property
    def weight(self) -> Floats | None:
        """All weights, float32, (rows,), or None."""
        return cast("Floats | None", self._joined("weight"))

    @property
    def qid(self) -> npt.NDArray[np.int64] | None:
        """The group of each row, int64, (rows,), or None."""
        return cast("npt.NDArray[np.int64] | None", self._joined("qid"))

    @property
    def positions(self) -> npt.NDArray[np.int64] | None:
        """Places of the rows kept among all of ``files``, int64, (rows,); None when all are."""
        if len(self._positions) > 1:
            self._positions[:] = [np.concatenate(self._positions)]
        return self._positions[0] if self._positions else None

    def features(
        self, slice_bytes: int, last: bool = False
    ) -> Iterator[tuple[int, Floats | Sparse]]:
        """Read the features in order, in pieces of about ``slice_bytes`` when they are on disk.

        Parameters
        ----------
        last : bool
            Nobody reads them again: memory is given back piece by piece.

        Yields
        ------
        (int, float32 array or CSR matrix, (rows, columns.count))
            The first row's number, and the piece; indices from 0, codes those of ``columns``.
        """
        if self._gone:
            raise RuntimeError("rows are read again that were given back")
        self._gone = last
        start = 0
        for piece in self._disk.pieces(slice_bytes) if self._disk else self._kept(last):
            yield start, self._final(piece)
            start += piece.shape[0]

    def describe(self, name: str) -> dict[str, Any]:
        """Say what ``columns.unite`` needs, in values that JSON can carry to other hosts."""
        return {
            "name": name,
            "rows": self.rows,
            "weight": None if self.weight is None else float(self.weight.sum(dtype=np.float64)),
            "width": self.width,
            "lowest": self.lowest,
            "sparse": self.sparse,
            "names": list(self.names),
            "categories": {str(column): list(codes) for column, codes in self.categories.items()},
        }

    def spill(self) -> Disk:
        """Move the rows to disk, if they are not there, and give their memory back.

        Raises
        ------
        PlatformError
            The disk is full.
        """
        if self._disk is None:
            self._disk = Disk(self._room.folder, self.sparse, self.width)
            self._chunks.reverse()
            while self._chunks:
                self._disk.write(self._chunks.pop())
            self._room.taken -= self._taken
            self._taken = 0
        return self._disk

    def close(self) -> None:
        """Give memory and disk back."""
        self._room.taken -= self._taken
        self._taken = 0
        self._chunks = []
        if self._disk:
            self._disk.close()

    def _joined(self, name: str) -> Any:
        arrays = self._meta[name]
        if len(arrays) > 1:
            arrays[:] = [np.concatenate(arrays)]
        return arrays[0] if arrays else None

    def _check_alike(self, batch: Batch, sparse: bool, path: Path) -> None:
        width = batch.features.shape[1]
        if sparse != self.sparse:
            kinds = ("dense", "sparse")
            raise UserError(
                f"{path} holds {kinds[sparse]} rows, the files before it {kinds[self.sparse]} "
                "ones; write all files of a channel in one way"
            )
        if list(batch.names) != list(self.names):
            raise UserError(
                f"{path} has the feature columns {listed(batch.names)}, the files before it have "
                f"{listed(self.names)}; all files of a channel need the same columns"
            )
        if not sparse and width != self.width:
            raise UserError(
                f"{path} has {width} feature columns, the files before it have {self.width}; all "
                "files of a channel need the same columns"
            )
        if set(batch.categories) != set(self.categories):
            odd = min(set(batch.categories) ^ set(self.categories))
            name = self.names[odd] if self.names else str(odd + 1)
            raise UserError(
                f"{path}: feature column '{name}' is text in some files and numbers in others; "
                "write it in one way, or name it a category with feature_types"
            )
        if bool(batch.classes) != (self.classes is not None):
            raise UserError(
                f"{path}: the labels are text in some files and numbers in others; write them in "
                "one way"
            )
        for name, given in (("weight", batch.weight), ("qid", batch.qid)):
            if (given is None) != (not self._meta[name]):
                raise UserError(
                    f"{path}: a {name} stands in some rows of the channel and not in others; give "
                    "every row one, or none"
                )

    def _label_of(self, batch: Batch) -> Floats:
        """Translate the batch's own codes of labels into the store's."""
        if self.classes is None:
            return batch.label
        return _recoded(batch.label, batch.classes, self.classes)

    def _coded(self, batch: Batch) -> Floats:
        """Translate the batch's own codes of text into the store's."""
        features = cast(Floats, batch.features)
        if not batch.categories:
            return features
        features = features.copy()
        for column, texts in batch.categories.items():
            features[:, column] = _recoded(features[:, column], texts, self.categories[column])
        return features

    def _kept(self, last: bool) -> Iterator[Any]:
        if not last:
            yield from self._chunks
            return
        self._chunks.reverse()
        while self._chunks:
            yield self._chunks.pop()

    def _final(self, piece: Any) -> Any:
        columns = cast(Columns, self.columns)
        if self.sparse:
            from scipy.sparse import csr_matrix

            indices = piece.indices - columns.base if columns.base else piece.indices
            shape = (piece.shape[0], columns.count)
            return csr_matrix((piece.data, indices, piece.indptr), shape=shape)
        if not columns.categories:
            return piece
        piece = np.array(piece)
        for column, place in columns.codes.items():
            codes = np.array([place[text] for text in self.categories[column]], np.float32)
            piece[:, column] = translated(piece[:, column], codes)
        return piece

    def _keep(self, features: Any) -> None:
        size = size_of(features)
        if self._disk is None and self._room.take(size):
            self._taken += size
            self._chunks.append(features)
            return
        self.spill().write(features)


def _recoded(codes: Floats, texts: Sequence[str], known: dict[str, int]) -> Floats:
    """Translate a batch's codes of texts into those known, to which new texts are added."""
    table = [known.setdefault(text, len(known)) for text in texts]
    return translated(codes, np.array(table, np.float32))
