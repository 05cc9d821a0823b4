"""Compile trained models to ONNX; only compiled models that agree with the original are served."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.algorithms.xgboost.compiling.trees import compile_booster, trees_of
from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.margins import Margins
from tabular.algorithms.xgboost.model import load_model, models_of
from tabular.algorithms.xgboost.objective import Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.contract.errors import UserError
from tabular.data.batch import Floats
from tabular.training.compile_step import saved_manifest, write_compiled
from tabular.training.hard_rows import hard_rows
from tabular.training.parity import Candidate, NotCompilableError, difference

# XGBoost and ONNX Runtime sum the leaves in float32 in different orders: long sums differ by up to
# 1e-6.
TOLERANCE = 1e-5


def compile_artifact(folder: str, nthread: int, rows: Floats) -> dict[str, Any]:
    """Compile the models of an artifact, and write the compiled models into its folder.

    Runs in the process of ``compile_step.add_compiled``.

    Parameters
    ----------
    nthread : int
        The number of threads with which XGBoost predicts the rows of the comparison.
    rows : float32 array, (rows, features)
        A sample of the training data.

    Raises
    ------
    UserError
        A file of the artifact is missing or changed.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    where = Path(folder)
    manifest = saved_manifest(where)
    boosters = [load_model(path) for path in models_of(where, manifest)]
    for booster in boosters:
        booster.set_param({"nthread": nthread})
    objective, categorical = manifest.objective, np.array(manifest.categorical, np.int64)
    return write_compiled(
        where, lambda: compiled(boosters, objective, rows, categorical), TOLERANCE
    )


def compiled(
    boosters: Sequence[xgboost.Booster],
    objective: str,
    sample: Floats,
    categorical: npt.NDArray[np.int64],
) -> Iterator[Candidate]:
    """Compile models, and compare each with its original on hard rows.

    Parameters
    ----------
    sample : float32 array, (rows, features)
        A sample of the training data.
    categorical : int64 array
        The indices of the categorical columns.

    Yields
    ------
    Candidate
        The compiled model, the number of compared rows, and the largest difference.

    Raises
    ------
    NotCompilableError
        A model can't be compiled, or ONNX Runtime can't load the compiled model.
    """
    for booster in boosters:
        content = compile_booster(booster)
        rows = hard_rows(sample, splits_of(booster), categorical)
        try:
            differs = _difference(booster, objective, content, rows, categorical)
        except UserError as error:
            raise NotCompilableError(str(error)) from error
        yield Candidate(content, len(rows), differs)


def _difference(
    booster: xgboost.Booster,
    objective: str,
    content: bytes,
    rows: Floats,
    categorical: npt.NDArray[np.int64],
) -> float:
    """Return the largest difference of margins and of scores, relative where values are above 1.

    Classes are compared only as computed from the native margins: of two nearly equal margins,
    another class may be the largest in the compiled model.
    """
    native = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    native = native.reshape(len(rows), -1)
    scores = booster.inplace_predict(rows, validate_features=False)
    margins = Margins(content, categorical)(rows)
    row = OBJECTIVES[objective]
    link = row.link
    pairs = [(margins, native), (link.scores(native), scores)]
    if row.predicts is not Predicts.CLASSES:
        pairs.append((link.scores(margins), scores))
    return max(difference(ours, theirs) for ours, theirs in pairs)


def splits_of(booster: xgboost.Booster) -> list[tuple[int, float]]:
    """Return the numeric splits of a model: feature and value, sorted."""
    learner = json.loads(booster.save_raw(raw_format="json"))["learner"]
    model, _ = trees_of(learner["gradient_booster"])
    found: set[tuple[int, float]] = set()
    for tree in model["trees"]:
        for left, feature, split, kind in zip(
            tree["left_children"],
            tree["split_indices"],
            tree["split_conditions"],
            tree["split_type"],
            strict=True,
        ):
            if left >= 0 and kind == 0:
                found.add((feature, split))
    return sorted(found)
