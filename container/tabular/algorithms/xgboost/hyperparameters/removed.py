"""Translate hyperparameters that XGBoost 3 no longer has, or leave them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabular.algorithms.xgboost import objectives
from tabular.algorithms.xgboost.hyperparameters.job import REMOVED
from tabular.algorithms.xgboost.hyperparameters.trees import GROWERS, REMOVED_GROWERS
from tabular.contract.errors import UserError


def modernized(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Translate hyperparameters into those of XGBoost 3.

    Returns
    -------
    dict, list of str
        The hyperparameters, and what was translated or ignored, for a warning.

    Raises
    ------
    UserError
        A hyperparameter means training on a GPU, and device is cpu.
    """
    new = dict(values)
    notes = []
    for row in REMOVED:
        if new.pop(row.name, None) is not None:
            notes.append(f"{row.name} ({row.removed})")
    if values.get("use_dask_gpu_training") == "true":
        new.setdefault("device", "cuda")
    objective = objectives.REMOVED.get(new.get("objective", ""))
    if objective:
        notes.append(f"objective {new['objective']} (means {objective})")
        new["objective"] = objective
    if new.get("tree_method") == "gpu_hist":
        notes.append("tree_method gpu_hist (means hist with device=cuda)")
        new["tree_method"] = "hist"
        _require_gpu(new, "tree_method gpu_hist")
    notes.extend(_updaters(new))
    return new, notes


def _updaters(new: dict[str, Any]) -> list[str]:
    given = new.get("updater", [])
    gone = [name for name in given if name in REMOVED_GROWERS]
    for name in given:
        if name.startswith("grow_gpu_"):
            _require_gpu(new, f"updater {name}")
    if not gone:
        return []
    left = [name for name in given if name not in gone]
    # Without an updater that grows trees, the other updaters have no trees to change.
    new["updater"] = left if any(name in GROWERS for name in left) else []
    return [f"updater {', '.join(gone)} (ignored: tree_method decides how trees are built)"]


def _require_gpu(new: dict[str, Any], cause: str) -> None:
    if new.setdefault("device", "cuda") == "cpu":
        raise UserError(
            f"Hyperparameter {cause} needs a GPU, and device is cpu; leave device out to train on "
            "a GPU, or set tree_method=hist and leave updater out to train on the CPU"
        )
