"""Feature rows on disk, when they do not fit into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import PlatformError
from tabular.data.batch import Floats


@dataclass
class Room:
    """How many bytes the rows of all channels may take in memory, and where the rest goes.

    Attributes
    ----------
    most_rows : int or None
        What belongs to rows (labels, later gradients) stays in memory: of more rows than this it
        does not fit, wherever their features are.
    too_many : str
        Says of more rows what fills the memory, and what to do.
    """

    limit: int
    folder: Path
    taken: int = 0
    most_rows: int | None = None
    too_many: str = (
        "whose labels, gradients and predictions fill the container's memory; use an instance type "
        "with more memory, more instances, or fewer rows"
    )

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes; False when there is no room."""
        if self.taken + size > self.limit:
            return False
        self.taken += size
        return True


class Disk:
    """Features in files without a name: they vanish with the process, however it ends."""

    def __init__(self, folder: Path, sparse: bool, width: int) -> None:
        self._folder = folder
        self._sparse = sparse
        self._width = width
        self._counts: list[npt.NDArray[np.int64]] = []  # sparse: values in each row
        self._rows = 0
        names = ("values", "indices") if sparse else ("values",)
        try:
            self._files: dict[str, IO[bytes]] = {
                # They live as long as the store.
                name: tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
                for name in names
            }
        except OSError as error:
            raise self._full(error) from error

    def write(self, features: Any) -> None:
        """Append rows."""
        self._rows += features.shape[0]
        try:
            if self._sparse:
                self._counts.append(np.diff(features.indptr).astype(np.int64))
                features.data.astype(np.float32, copy=False).tofile(self._files["values"])
                features.indices.astype(np.int32, copy=False).tofile(self._files["indices"])
            else:
                features.tofile(self._files["values"])
        except OSError as error:
            raise self._full(error) from error

    def pieces(self, slice_bytes: int) -> Iterator[Any]:
        """Read the rows back in pieces of about ``slice_bytes``, 4 bytes a value."""
        for file in self._files.values():
            file.flush()
        return self._sparse_pieces(slice_bytes) if self._sparse else self._dense(slice_bytes)

    def close(self) -> None:
        """Delete the files."""
        for file in self._files.values():
            file.close()

    def _dense(self, slice_bytes: int) -> Iterator[Floats]:
        step = max(1, slice_bytes // (4 * self._width))
        for start in range(0, self._rows, step):
            rows = min(step, self._rows - start)
            values = self._read("values", np.float32, start * self._width, rows * self._width)
            yield values.reshape(rows, self._width)

    def _sparse_pieces(self, slice_bytes: int) -> Iterator[Any]:
        from scipy.sparse import csr_matrix

        counts = np.concatenate(self._counts)
        self._counts = [counts]
        ends = np.cumsum(counts)
        start = done = 0
        while start < self._rows:
            # At least one row; 8 bytes a value with its index.
            stop = max(start + 1, int(np.searchsorted(ends, done + slice_bytes // 8, "right")))
            here = int(ends[stop - 1]) - done
            pointers = np.concatenate(([0], ends[start:stop] - done))
            values = self._read("values", np.float32, done, here)
            indices = self._read("indices", np.int32, done, here)
            # 0-based or 1-based: any width that holds the largest index will do.
            shape = (stop - start, int(indices.max()) + 1 if here else 1)
            yield csr_matrix((values, indices, pointers), shape=shape)
            start, done = stop, int(ends[stop - 1])

    def _read(self, name: str, dtype: Any, first: int, count: int) -> npt.NDArray[Any]:
        file = self._files[name]
        file.seek(4 * first)
        return np.fromfile(file, dtype, count)

    def _full(self, error: OSError) -> PlatformError:
        return PlatformError(
            f"the rows do not fit into memory, and {self._folder} can't take them "
            f"({error.strerror or error}); give the job a larger volume (volume_size), or an "
            "instance type with more memory"
        )


def size_of(features: Any) -> int:
    """Count the bytes that features take in memory, dense or CSR."""
    if isinstance(features, np.ndarray):
        return features.nbytes
    return int(features.data.nbytes + features.indices.nbytes + features.indptr.nbytes)
