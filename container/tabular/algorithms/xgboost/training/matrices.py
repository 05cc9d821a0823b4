"""Build XGBoost's matrices from rows in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xgboost

from tabular.algorithms.xgboost.feature_names import safe_names
from tabular.contract.machine import trim_heap
from tabular.data.columns import Columns
from tabular.data.store import Store

# XGBoost iterates four times over the rows to bin them on the CPU, and three times when it takes
# the cuts from another matrix. The rows are freed during the last pass. A test checks the numbers.
PASSES = 4

Mask = npt.NDArray[np.bool_]
# Features, and the other values of their rows by XGBoost's names (label, weight, qid, ...).
Piece = tuple[Any, dict[str, npt.NDArray[Any]]]
# A store, and a mask that selects some of its rows; None selects all.
Part = tuple[Store, Mask | None]


@dataclass(frozen=True)
class Plan:
    """The kind of matrix that a job trains on.

    Attributes
    ----------
    kind, reason : str
        The kind and why it was chosen, for the log.
    matrix : type
        A matrix class of XGBoost.
    options : Mapping[str, object]
        Arguments of its constructor.
    piece : int
        Bytes of rows that XGBoost is given at a time.
    censored : bool
        Labels are those of survival:aft: a negative label means "longer than its absolute value".
    cache : Path or None
        Prefix of the files that XGBoost keeps on disk as long as the matrix exists.
    """

    kind: str
    reason: str
    matrix: type[xgboost.DMatrix]
    options: Mapping[str, Any]
    piece: int
    censored: bool
    cache: Path | None = None

    def build(
        self, parts: Sequence[Part], ref: xgboost.DMatrix | None = None, last: bool = False
    ) -> xgboost.DMatrix:
        """Build a matrix of the rows of some stores.

        Parameters
        ----------
        parts : sequence of (Store, bool array, (rows,), or None)
            The array selects rows, for k-fold.
        ref : DMatrix or None
            A matrix whose cuts the new matrix takes; validation data needs the cuts of the training
            data.
        last : bool
            No other matrix is built from these rows: their memory can be freed.
        """
        options = dict(self.options)
        columns = cast(Columns, parts[0][0].columns)
        names = safe_names(columns.names) or None

        def start(last: bool) -> Iterator[Piece]:
            for store, pick in parts:
                yield from pieces_of(store, pick, self.piece, self.censored, last)
            if not any(store.rows for store, _ in parts):
                # All hosts bin and evaluate together, so a host without validation rows needs a
                # matrix too.
                nothing = np.empty(0, np.float32)
                yield np.empty((0, columns.count), np.float32), {"label": nothing}

        if self.matrix is xgboost.DMatrix:
            del options["max_bin"]
            if self.cache is None:
                return _in_memory(start(last), feature_names=names, **options)
        elif ref is not None:
            options["ref"] = ref
        types = options.pop("feature_types")
        passes = PASSES - (ref is not None)
        if not last or self.matrix is not xgboost.QuantileDMatrix:
            passes = 0
        matrix = self.matrix(_Pieces(start, names, types, self.cache, passes), **options)
        trim_heap()
        return matrix


def _in_memory(pieces: Iterator[Piece], **options: Any) -> xgboost.DMatrix:
    features, rows = zip(*pieces, strict=True)
    joined = {name: np.concatenate([values[name] for values in rows]) for name in rows[0]}
    return xgboost.DMatrix(_stacked(features), **joined, **options)


class _Pieces(xgboost.DataIter):
    """Gives the rows of a store to XGBoost, which iterates over them several times."""

    def __init__(
        self,
        start: Callable[[bool], Iterator[Piece]],
        names: list[str] | None,
        types: list[str] | None,
        cache: Path | None,
        passes: int,
    ) -> None:
        self._start, self._names, self._types = start, names, types
        self._passes_left = passes
        self._pieces: Iterator[Piece] = iter(())  # XGBoost calls ``reset`` first
        super().__init__(cache_prefix=str(cache) if cache else None)

    def next(self, input_data: Callable[..., None]) -> bool:
        """Give XGBoost the next piece; False at the end."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        features, rows = piece
        input_data(data=features, feature_names=self._names, feature_types=self._types, **rows)
        return True

    def reset(self) -> None:
        """Start again; XGBoost also calls it after the last pass, without reading."""
        self._passes_left -= 1
        self._pieces = self._start(self._passes_left == 0)


def pieces_of(
    store: Store, pick: Mask | None, size: int, censored: bool, last: bool = False
) -> Iterator[Piece]:
    """Yield pieces of a store: features and the values of their rows; groups stay whole."""
    rows = _row_values(store, censored)
    qid = store.qid
    held: Any = None  # the first rows of a group that continues in the next piece
    for start, piece in store.features(size, last):
        stop = start + piece.shape[0]
        if held is not None:
            start -= held.shape[0]
            piece = _stacked((held, piece))
            held = None
        if qid is not None and stop < store.rows and qid[stop] == qid[stop - 1]:
            ends = np.flatnonzero(qid[start : stop - 1] != qid[start + 1 : stop])
            whole = int(ends[-1]) + 1 if ends.size else 0
            held, piece, stop = piece[whole:], piece[:whole], start + whole
        values = {name: array[start:stop] for name, array in rows.items()}
        if pick is not None:
            here = pick[start:stop]
            piece = piece[here]
            values = {name: array[here] for name, array in values.items()}
        if piece.shape[0]:
            yield piece, _weighted_by_group(values)


def _row_values(store: Store, censored: bool) -> dict[str, npt.NDArray[Any]]:
    given = {"label": store.label, "weight": store.weight, "qid": store.qid}
    if censored:
        bound = np.abs(store.label)
        given["label_lower_bound"] = bound
        given["label_upper_bound"] = np.where(store.label < 0, np.inf, bound).astype(np.float32)
    return {name: array for name, array in given.items() if array is not None}


def _weighted_by_group(values: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    # XGBoost takes one weight per group; labels.check_groups has checked that its rows agree.
    if "qid" in values and "weight" in values:
        qid = values["qid"]
        values["weight"] = values["weight"][np.concatenate(([True], qid[1:] != qid[:-1]))]
    return values


def _stacked(pieces: tuple[Any, ...]) -> Any:
    if len(pieces) == 1:
        return pieces[0]
    if isinstance(pieces[0], np.ndarray):
        return np.concatenate(pieces)
    from scipy.sparse import vstack

    return vstack(pieces, format="csr")
