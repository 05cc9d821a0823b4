"""Choose the kind of matrix of a training job by the memory of the container."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import xgboost

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.algorithms.xgboost.training.memory_estimates import (
    Need,
    count_trees,
    estimate_need,
    least_row_bytes,
    model_bytes,
)
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.machine import MEBIBYTE, trim_heap
from tabular.data.columns import Columns
from tabular.data.store import Store
from tabular.training.memory import LARGEST_PIECE, Memory, mib
from tabular.training.rows import TRAIN

log = logging.getLogger(__name__)

# An entry of a DMatrix (index and value), and the value that it is copied from.
BYTES_PER_ENTRY = 8 + 4
# XGBoost's pages of a DMatrix on disk: entries, and the bins that approx computes from them.
PAGE_BYTES_PER_ENTRY = 8 + 4
# For a DMatrix on disk, XGBoost holds 12 times the piece in memory: pages of rows and of bins that
# are read ahead. For a binned matrix, it holds 3 times the piece.
PLAIN_PAGES = 4
# Pages have headers, and other programs need some space on the disk.
DISK_SURPLUS = 1.1


def plan(
    stores: Mapping[str, Store],
    settings: Settings,
    nthread: int,
    memory: Memory,
    folder: Path,
    on_disk: bool = False,
) -> Plan:
    """Choose the kind of matrix for all channels of a job.

    Parameters
    ----------
    folder : Path
        For pages that do not fit into memory.
    on_disk : bool
        Keep matrices on disk in any case, because another host of the job has to.

    Raises
    ------
    UserError
        The data that every kind of matrix keeps in memory does not fit.
    PlatformError
        The disk is too small for the rows that do not fit into memory.
    """
    need = estimate_need(stores, TRAIN, settings.params, settings.num_class)
    _require_memory(stores[TRAIN].rows, settings, memory)
    _warn_of_model(stores[TRAIN].rows, settings, memory)
    options: dict[str, Any] = {
        "nthread": nthread,
        "enable_categorical": settings.layout.categorical,
        "feature_types": _feature_types(stores, settings),
        "max_bin": settings.params.get("max_bin") or None,
    }

    def of(matrix: type[xgboost.DMatrix], kind: str, reason: str, cache: str = "") -> Plan:
        piece = memory.piece
        if matrix is xgboost.DMatrix:
            piece = max(MEBIBYTE, piece // PLAIN_PAGES) if cache else LARGEST_PIECE
        censored = OBJECTIVES[settings.objective].censored
        return Plan(
            kind, reason, matrix, options, piece, censored, folder / cache if cache else None
        )

    if settings.needs_raw_values:
        values = sum(store.values for store in stores.values()) * BYTES_PER_ENTRY
        reason = (
            f"{_cause(settings)} needs the values themselves: about "
            f"{mib(values + need.training)} of {mib(memory.limit)}"
        )
        if values + need.training <= memory.planned and not on_disk:
            return of(xgboost.DMatrix, "DMatrix in memory", reason)
        if settings.params.get("tree_method") == "approx":
            _spill(stores)
            _require_space(folder, values // BYTES_PER_ENTRY * PAGE_BYTES_PER_ENTRY)
            return of(xgboost.DMatrix, "DMatrix on disk", reason, "rows")
        raise UserError(
            f"{reason}, which is too much; use tree_method=hist, which trains on data larger than "
            "memory, or an instance type with more memory"
        )
    reason = (
        f"binning takes about {mib(need.sketch)}, bins {mib(need.bins)}, training "
        f"{mib(need.training)} of {mib(memory.limit)}"
    )
    if not on_disk:
        spilled = any(store.on_disk for store in stores.values())
        # The folds, and held-out rows, read the rows again; a GPU takes the rows unbinned.
        parted = settings.kfold is not None or settings.validation_fraction is not None
        raw_stays = parted or settings.device != "cpu"
        if not spilled and need.in_memory(raw_stays) <= memory.planned:
            kind = "QuantileDMatrix from rows in memory"
            return of(xgboost.QuantileDMatrix, kind, reason)
        if need.streamed(memory.piece) <= memory.planned:
            _spill(stores)
            kind = "QuantileDMatrix from rows streamed from disk"
            return of(xgboost.QuantileDMatrix, kind, reason)
    _spill(stores)
    _require_space(folder, need.bins)
    _warn_if_scarce(need, settings, memory)
    return of(xgboost.ExtMemQuantileDMatrix, "ExtMemQuantileDMatrix on disk", reason, "bins")


def _spill(stores: Mapping[str, Store]) -> None:
    for store in stores.values():
        if store.rows:
            store.spill()
    trim_heap()


def _require_space(folder: Path, size: int) -> None:
    # If XGBoost can't write its pages, it aborts the process without an error message of ours.
    free = shutil.disk_usage(folder).free
    if free < DISK_SURPLUS * size:
        raise PlatformError(
            f"{folder} has {mib(free)} left, and the rows, which do not fit into memory, take "
            f"about {mib(DISK_SURPLUS * size)} there; give the job a larger volume (volume_size), "
            "or an instance type with more memory"
        )


def _require_memory(rows: int, settings: Settings, memory: Memory) -> None:
    """Refuse a job whose predictions and trees, which every kind of matrix needs, do not fit."""
    classes = max(1, settings.num_class)
    # With early stopping the number of rounds is not known.
    rounds = 1 if settings.early_stopping_rounds else settings.num_round
    trees = count_trees(settings.params, settings.num_class, rounds)
    # On a GPU, gradients and predictions are in the memory of the GPU.
    scores = least_row_bytes(rows, settings.num_class) if settings.device == "cpu" else 0
    model = model_bytes(trees)
    size = scores + model
    if size <= memory.limit:
        return
    what = f" and {classes:,} classes (num_class)" if classes > 1 else ""
    raise UserError(
        f"{rows:,} rows{what} take about {mib(scores)} in gradients and predictions, which XGBoost "
        f"keeps in memory wherever the data is, and {trees:,} trees (rounds x classes x "
        f"num_parallel_tree) about {mib(model)}: {mib(size)} in all, and the container has "
        f"{mib(memory.limit)}; use an instance type with more memory, fewer classes or rounds, or "
        "fewer rows"
    )


def _warn_of_model(rows: int, settings: Settings, memory: Memory) -> None:
    trees = count_trees(settings.params, settings.num_class, settings.num_round)
    size = model_bytes(trees, rows, settings.params, settings.num_class)
    if size > memory.usable:
        log.warning(
            "memory may not do for the model: %s trees take up to %s, and %s are left beside the "
            "program; if the job is killed, use fewer rounds, a smaller max_depth or "
            "num_parallel_tree, or an instance type with more memory",
            f"{trees:,}",
            mib(size),
            mib(memory.usable),
        )


def _warn_if_scarce(need: Need, settings: Settings, memory: Memory) -> None:
    # One host sketches the columns in turns, with half of the planned memory.
    sketch = min(need.sketch, memory.planned // 2)
    size = replace(need, sketch=sketch).on_disk(memory.piece)
    if settings.device == "cpu" and size > memory.usable:
        log.warning(
            "memory may not do: about %s at most beside %s for the program, of %s; if the job "
            "is killed, use an instance type with more memory, a smaller max_bin or max_depth, or "
            "more instances",
            mib(size),
            mib(memory.limit - memory.usable),
            mib(memory.limit),
        )


def _feature_types(stores: Mapping[str, Store], settings: Settings) -> list[str] | None:
    columns = cast(Columns, next(iter(stores.values())).columns)
    types = list(settings.layout.feature_types)
    if types and len(types) != columns.count:
        raise UserError(
            f"Hyperparameter feature_types has {len(types)} entries, the data has {columns.count} "
            "feature columns; give one for each"
        )
    if not types and columns.categories:
        types = ["c" if column in columns.categories else "q" for column in range(columns.count)]
    return types or None


def _cause(settings: Settings) -> str:
    for name in ("process_type", "updater", "booster", "tree_method"):
        value = settings.params.get(name)
        if value not in (None, "gbtree", "dart", "default", "auto", "hist"):
            return f"{name}={value}"
    return "this kind of training"
