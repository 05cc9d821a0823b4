"""Several hosts bin their rows as a single host would: at the same cuts.

XGBoost's sketch of several hosts is approximate: where a feature has thousands of values, the
cuts are others than a single host's, and so are the trees. Each column is sketched by itself, so
here each host gets whole columns, in the order in which a single host reads them, and finds their
cuts alone. The training matrix takes them from a small matrix that has these cuts and no others.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import xgboost
from xgboost import collective

from tabular.data.batch import Batch, Floats
from tabular.data.columns import Columns
from tabular.data.store import Room, Store
from tabular.training.boosting import anywhere, blame
from tabular.training.joint_rows import blocks, joined, positions_of, summed
from tabular.training.matrices import Plan
from tabular.training.memory import (
    DEFAULT_BINS,
    PIECES_AT_A_TIME,
    Memory,
    binned_bytes,
    give_back,
    mib,
    sketch_bytes,
)

log = logging.getLogger(__name__)

# On disk: a value, the place of a sparse one, and its bins by rows and by columns.
BYTES_PER_VALUE = 4 + 4 + 6
# A label and a weight for each row of all hosts, twice while they are joined.
BYTES_PER_ROW = 16

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Sketched:
    """What a host has found for its columns: for each the cuts, and values that lead to them."""

    cuts: list[Floats]
    values: list[Floats]


def single_host_cuts(
    store: Store, folder: Path, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts that a single host would find; every host of the collective calls it.

    Parameters
    ----------
    store : Store
        This host's training rows.
    folder : Path
        The channel's.
    plan : Plan
        Of the training matrix.
    scratch : Path
        For columns that do not fit into memory.

    Returns
    -------
    DMatrix or None
        What the training matrix takes its cuts from (``ref``). None where XGBoost has to sketch:
        on a single host, for matrices without bins, and when the columns fit nowhere.

    Raises
    ------
    JobError
        The values can't be binned, or the disk is full.
    """
    hosts = collective.get_world_size()
    if hosts == 1 or plan.matrix is xgboost.DMatrix:
        return None
    begin = time.monotonic()
    rows, values = (int(total) for total in summed([store.rows, store.values]))
    size = values // hosts * BYTES_PER_VALUE
    free = memory.planned - store.taken - rows * BYTES_PER_ROW
    if anywhere(free < 0 or shutil.disk_usage(scratch).free < max(0, 2 * size - free)):
        _leave_to_xgboost(f"whole columns take about {mib(size + rows * BYTES_PER_ROW)}")
        return None
    positions = positions_of(store, folder)
    if collective.allreduce(positions[-1:] + 1, collective.Op.MAX)[0] != rows:
        _leave_to_xgboost("hosts have different files of the same names")
        return None
    own = _Own(store, Room(free, scratch))
    try:
        for features, weight in blocks(store, positions, rows, values, plan.piece):
            own.append(features, weight)
        sketched = _alone(lambda: own.sketch(plan, free, scratch))
    except xgboost.core.XGBoostError as error:
        raise blame(error) from error
    finally:
        own.close()
    reference = _reference(sketched, plan, cast(Columns, store.columns).count)
    if reference is None:
        _leave_to_xgboost("XGBoost does not take over the cuts of a single host")
    else:
        log.info("cuts of a single host: %d rows, %.1f s", rows, time.monotonic() - begin)
    return reference


def cuts_in_turns(
    store: Store, plan: Plan, memory: Memory, scratch: Path
) -> xgboost.DMatrix | None:
    """Find the cuts on a single host, some columns at a time, when all at a time take too much.

    XGBoost's sketch of a column takes some MiB, of however many rows; many columns need more than
    the rows themselves. Each column is sketched by itself, so the cuts are the same.

    Returns
    -------
    DMatrix or None
        As for ``single_host_cuts``. None when the whole sketch fits.

    Raises
    ------
    JobError
        The values can't be binned, or the disk is full.
    """
    if plan.matrix is not xgboost.ExtMemQuantileDMatrix or collective.get_world_size() > 1:
        return None
    width = cast(Columns, store.columns).count
    whole = sketch_bytes(store, plan.options["max_bin"] or DEFAULT_BINS)
    free = memory.planned - PIECES_AT_A_TIME * plan.piece
    turns = min(width, -(-whole // max(free // 2, 1)))
    if turns <= 1:
        return None
    begin = time.monotonic()
    size = -(-width // turns)
    cuts: list[Floats] = []
    values: list[Floats] = []
    try:
        for start in range(0, width, size):
            part = _Slice(store, slice(start, min(start + size, width)))
            own = replace(plan, options=part.options(plan), cache=scratch / f"cuts{start}")
            of_part = _cuts(own.build([(cast(Store, part), None)]))
            cuts += of_part
            values += part.leading_to(of_part)
            give_back()
    except xgboost.core.XGBoostError as error:
        raise blame(error) from error
    reference = _reference(_Sketched(cuts, values), plan, width)
    if reference is not None:
        log.info("cuts found in %d turns: %.1f s", turns, time.monotonic() - begin)
    return reference


class _Slice:
    """Some columns of a store, which else is as it was."""

    def __init__(self, store: Store, columns: slice) -> None:
        self._store, self._slice = store, columns
        self.columns = Columns(columns.stop - columns.start)
        self._lowest = np.full(self.columns.count, np.nan, np.float32)
        self._highest = self._lowest.copy()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def features(self, slice_bytes: int, last: bool = False) -> Iterator[tuple[int, Any]]:
        """Read the columns; see ``Store.features``."""
        for start, piece in self._store.features(slice_bytes):
            features = piece[:, self._slice]
            if isinstance(features, np.ndarray):
                features = np.ascontiguousarray(features)
            low, high = bounds(features)
            self._lowest = np.fmin(self._lowest, low)
            self._highest = np.fmax(self._highest, high)
            yield start, features

    def options(self, plan: Plan) -> dict[str, Any]:
        """Take the columns' part of the options."""
        types = plan.options["feature_types"]
        return {**plan.options, "feature_types": types and types[self._slice]}

    def leading_to(self, cuts: list[Floats]) -> list[Floats]:
        """Find values whose cuts are these; see ``leading_to``."""
        return leading_to(cuts, self._lowest, self._highest)


def bounds(features: Any) -> tuple[Floats, Floats]:
    """Find the lowest and the highest value of each column; NaN where there is none."""
    if isinstance(features, np.ndarray):
        return np.fmin.reduce(features), np.fmax.reduce(features)
    by_column = features.tocsc()
    present = np.diff(by_column.indptr) > 0
    starts = by_column.indptr[:-1][present]
    found = []
    for bound in (np.fmin, np.fmax):
        of_columns = np.full(features.shape[1], np.nan, np.float32)
        if starts.size:
            of_columns[present] = bound.reduceat(by_column.data, starts)
        found.append(of_columns)
    return found[0], found[1]


def leading_to(cuts: list[Floats], lowest: Floats, highest: Floats) -> list[Floats]:
    """Find values whose cuts are these.

    XGBoost makes the first cut of the lowest value, and the last of the highest.
    """
    values = [
        np.unique(np.concatenate(([low], of_column[1:-1], [high])))
        for low, of_column, high in zip(lowest, cuts, highest, strict=True)
    ]
    return [of_column[~np.isnan(of_column)] for of_column in values]


def _leave_to_xgboost(reason: str) -> None:
    log.warning(
        "%s: XGBoost sketches the rows of all hosts, approximately, and the model differs a "
        "little from a single host's",
        reason,
    )


class _Own:
    """The columns that this host sketches: every n-th, of n hosts."""

    def __init__(self, store: Store, room: Room) -> None:
        self._store = Store(room)
        self._every = slice(collective.get_rank(), None, collective.get_world_size())
        self._count = len(range(cast(Columns, store.columns).count)[self._every])
        self._store.seal(Columns(self._count))
        self._lowest = np.full(self._count, np.nan, np.float32)
        self._highest = self._lowest.copy()

    def append(self, features: Any, weight: Floats | None) -> None:
        """Take these columns of some rows; none, if there are more hosts than columns."""
        if not self._count:
            return
        features = features[:, self._every]
        if isinstance(features, np.ndarray):
            features = np.ascontiguousarray(features)
        low, high = bounds(features)
        self._lowest = np.fmin(self._lowest, low)
        self._highest = np.fmax(self._highest, high)
        label = np.zeros(features.shape[0], np.float32)
        self._store.append(Batch(features, label, weight), Path())

    def sketch(self, plan: Plan, free: int, scratch: Path) -> _Sketched:
        """Find the cuts, in ``free`` bytes of memory or on disk; outside of the collective."""
        if not self._count:
            return _Sketched([], [])
        own = self._store
        types = plan.options["feature_types"]
        options = {**plan.options, "feature_types": types and types[self._every]}
        max_bin = options["max_bin"] or DEFAULT_BINS
        need = max(own.taken + sketch_bytes(own, max_bin), binned_bytes(own, max_bin))
        matrix: type[xgboost.DMatrix] = xgboost.QuantileDMatrix
        cache = None
        if own.on_disk or need > free:
            own.spill()
            matrix, cache = xgboost.ExtMemQuantileDMatrix, scratch / "cuts"
        plan = replace(plan, matrix=matrix, cache=cache, options=options, censored=False)
        cuts = _cuts(plan.build([(own, None)], last=not own.on_disk))
        return _Sketched(cuts, leading_to(cuts, self._lowest, self._highest))

    def close(self) -> None:
        """Give memory and disk back."""
        self._store.close()


def _reference(sketched: _Sketched, plan: Plan, width: int) -> xgboost.DMatrix | None:
    """Build a matrix with the cuts of all hosts; None if XGBoost makes others of the values."""
    from scipy.sparse import csc_matrix

    values, cuts = joined(sketched.values, width), joined(sketched.cuts, width)
    counts = [len(of_column) for of_column in values]
    rows = np.concatenate([np.arange(count) for count in counts])
    starts = np.concatenate(([0], np.cumsum(counts)))
    table = csc_matrix((np.concatenate(values), rows, starts), (max(counts, default=0), width))
    reference = _alone(lambda: xgboost.QuantileDMatrix(table.tocsr(), **plan.options))
    found = _cuts(reference)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(found, cuts, strict=True))
    return None if anywhere(not same) else reference


def _cuts(matrix: xgboost.DMatrix) -> list[Floats]:
    starts, values = matrix.get_quantile_cut()
    return cast("list[Floats]", np.split(values, starts[1:-1]))


def _alone(work: Callable[[], Result]) -> Result:
    """Work outside of the collective, where XGBoost joins no sketches of other hosts.

    Its communicator belongs to the thread that has joined: any other thread is a single host.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()
