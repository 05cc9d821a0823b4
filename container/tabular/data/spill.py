"""Feature rows in temporary files, for channels that do not fit into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import PlatformError
from tabular.data.batch import Floats


class SpillFiles:
    """Features in unnamed temporary files, which the kernel deletes when the process ends.

    Dense rows take one file of float32 values. Sparse rows take a second file, of int32 column
    indices; the number of values in each row stays in memory.

    Parameters
    ----------
    folder : Path
        Where the files are created.
    sparse : bool
    width : int
        The number of columns of dense rows.
    """

    def __init__(self, folder: Path, sparse: bool, width: int) -> None:
        self._folder = folder
        self._sparse = sparse
        self._width = width
        self._counts: list[npt.NDArray[np.int64]] = []  # sparse: values in each row
        self._rows = 0
        names = ("values", "indices") if sparse else ("values",)
        try:
            self._files: dict[str, IO[bytes]] = {
                # close() closes them.
                name: tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
                for name in names
            }
        except OSError as error:
            raise self._can_not_write(error) from error

    def write(self, features: Any) -> None:
        """Append rows, a float32 array or CSR matrix of shape (rows, columns)."""
        self._rows += features.shape[0]
        try:
            if self._sparse:
                self._counts.append(np.diff(features.indptr).astype(np.int64))
                features.data.astype(np.float32, copy=False).tofile(self._files["values"])
                features.indices.astype(np.int32, copy=False).tofile(self._files["indices"])
            else:
                features.tofile(self._files["values"])
        except OSError as error:
            raise self._can_not_write(error) from error

    def pieces(self, piece_bytes: int) -> Iterator[Any]:
        """Read all rows in the order of writing, in pieces of about ``piece_bytes``."""
        for file in self._files.values():
            file.flush()
        return self._sparse_pieces(piece_bytes) if self._sparse else self._dense_pieces(piece_bytes)

    def close(self) -> None:
        """Delete the files."""
        for file in self._files.values():
            file.close()

    def _dense_pieces(self, piece_bytes: int) -> Iterator[Floats]:
        step = max(1, piece_bytes // (4 * self._width))
        for start in range(0, self._rows, step):
            rows = min(step, self._rows - start)
            values = self._read("values", np.float32, start * self._width, rows * self._width)
            yield values.reshape(rows, self._width)

    def _sparse_pieces(self, piece_bytes: int) -> Iterator[Any]:
        from scipy.sparse import csr_matrix

        counts = np.concatenate(self._counts)
        self._counts = [counts]
        ends = np.cumsum(counts)
        start = values_before = 0
        while start < self._rows:
            # At least one row. A value and its index take 8 bytes.
            most_values = values_before + piece_bytes // 8
            stop = max(start + 1, int(np.searchsorted(ends, most_values, "right")))
            count = int(ends[stop - 1]) - values_before
            pointers = np.concatenate(([0], ends[start:stop] - values_before))
            values = self._read("values", np.float32, values_before, count)
            indices = self._read("indices", np.int32, values_before, count)
            # Indices may start from 0 or 1, so the width is the one that the largest index needs.
            shape = (stop - start, int(indices.max()) + 1 if count else 1)
            yield csr_matrix((values, indices, pointers), shape=shape)
            start, values_before = stop, int(ends[stop - 1])

    def _read(self, name: str, dtype: Any, first: int, count: int) -> npt.NDArray[Any]:
        file = self._files[name]
        file.seek(4 * first)
        return np.fromfile(file, dtype, count)

    def _can_not_write(self, error: OSError) -> PlatformError:
        return PlatformError(
            f"the rows do not fit into memory, and {self._folder} can't take them "
            f"({error.strerror or error}); give the job a larger volume (volume_size), or an "
            "instance type with more memory"
        )
