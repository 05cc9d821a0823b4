"""``validation_fraction``: hold out rows of the training channel for validation."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.matrices import Mask, Part
from tabular.contract.errors import UserError
from tabular.data.store import Store
from tabular.training.rows import TRAIN, VALIDATION

log = logging.getLogger(__name__)

ONE_HOST = (
    "Hyperparameter validation_fraction is for one host and one GPU: a host does not know the rows "
    "of the others; use a channel 'validation', or set instance_count=1 (with several GPUs "
    "device=cuda:0)"
)


def parts_of(
    stores: Mapping[str, Store], settings: Settings, processes: int
) -> dict[str, Sequence[Part]]:
    """Return the rows of ``train``, and of ``validation`` if the job has such rows.

    Held-out rows are selected by a mask: no row is copied.

    Parameters
    ----------
    processes : int
        The number of processes that train together.

    Raises
    ------
    UserError
        Several processes train, or no rows are left to train on.
    """
    fraction = settings.validation_fraction
    if fraction is None or VALIDATION in stores:
        if fraction is not None:
            log.warning("there is a validation channel: validation_fraction is not used")
        return {name: [(store, None)] for name, store in stores.items()}
    if processes > 1:
        raise UserError(ONE_HOST)
    store = stores[TRAIN]
    mask = held_out(
        store,
        fraction,
        settings.params.get("seed", 0),
        OBJECTIVES[settings.objective].is_classification,
    )
    log.info("validation_fraction: %d of %d rows are held out", int(mask.sum()), store.rows)
    return {TRAIN: [(store, ~mask)], VALIDATION: [(store, mask)]}


def held_out(store: Store, fraction: float, seed: int, stratified: bool) -> Mask:
    """Return which rows are held out, bool, (rows,).

    The draw depends on the seed and on the number of a row in the channel, so the files of the
    channel may be cut in any way. Groups (``qid``) stay whole.

    Parameters
    ----------
    fraction : float
        The share of the rows or groups, rounded up.
    stratified : bool
        Whether each label has its share of the held-out rows, up to one row.

    Raises
    ------
    UserError
        No row would be left to train on.
    """
    qid = store.qid
    if qid is None:
        labels = store.label if stratified else None
        return _draw(store.rows, fraction, seed, labels, "rows")
    begins = np.concatenate(([True], qid[1:] != qid[:-1]))
    number = np.cumsum(begins) - 1
    chosen: Mask = _draw(int(number[-1]) + 1, fraction, seed, None, "groups of rows")[number]
    return chosen


def _draw(count: int, fraction: float, seed: int, labels: np.ndarray | None, of: str) -> Mask:
    wanted = math.ceil(count * fraction)
    if wanted >= count:
        raise UserError(
            f"Hyperparameter validation_fraction: {fraction:g} of {count} {of} leaves none to "
            f"train on; give more {of}, a smaller fraction, or a channel 'validation'"
        )
    order = np.random.default_rng(seed & 0xFFFF_FFFF).permutation(count)
    chosen = np.zeros(count, np.bool_)
    if labels is None:
        chosen[order[:wanted]] = True
        return chosen
    # In the random order sorted by label, every n-th row is held out.
    order = order[np.argsort(labels[order], kind="stable")]
    places = (np.arange(wanted, dtype=np.int64) * 2 + 1) * count // (2 * wanted)
    chosen[order[places]] = True
    return chosen
