"""Compile what was trained to ONNX, and serve the compiled model only if it agrees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.algorithms.onnx_session import Margins
from tabular.algorithms.xgboost.compiling.trees import NotCompilableError, compile_booster, trees_of
from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.links import LINKS
from tabular.algorithms.xgboost.model import load_models
from tabular.artifact.files import save_compiled
from tabular.artifact.manifest import Parity
from tabular.contract.errors import PlatformError, UserError
from tabular.data.batch import Floats
from tabular.training.compile_step import result_of
from tabular.training.hard_rows import hard_rows
from tabular.training.parity import difference

# Both add up the leaves in float32, each in its own order: 1e-6 is what long sums differ by.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Compiled:
    """The compiled models of an artifact, in the order of the native ones; none if not served.

    Attributes
    ----------
    contents : sequence of bytes
        ONNX.
    parity : Parity
        What the manifest says of it.
    """

    contents: Sequence[bytes]
    parity: Parity


def compile_artifact(folder: str, nthread: int, rows: Floats) -> dict[str, Any]:
    """Compile the models of an artifact, and write the compiled ones into its folder.

    A step of ``compile_step.add_compiled``.

    Parameters
    ----------
    nthread : int
        Threads that XGBoost predicts the compared rows with.
    rows : float32 array, (rows, features)
        Of the training data.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    boosters, manifest = load_models(Path(folder))
    if manifest is None:
        raise PlatformError(f"{folder} has lost its manifest")
    for booster in boosters:
        booster.set_param({"nthread": nthread})
    compiled = compile_models(
        boosters, manifest.objective, rows, np.array(manifest.categorical, np.int64)
    )
    return result_of(compiled.parity, save_compiled(Path(folder), compiled.contents))


def compile_models(
    boosters: Sequence[xgboost.Booster],
    objective: str,
    sample: Floats,
    categorical: npt.NDArray[np.int64],
) -> Compiled:
    """Compile all models, or none.

    Parameters
    ----------
    sample : float32 array, (rows, features)
        Of the training data.
    categorical : int64 array
        The columns that are categories.
    """
    contents: list[bytes] = []
    rows, largest = 0, 0.0
    try:
        for booster in boosters:
            contents.append(compile_booster(booster))
            checked = hard_rows(sample, splits_of(booster), categorical)
            rows += len(checked)
            largest = max(
                largest, _difference(booster, objective, contents[-1], checked, categorical)
            )
    except (NotCompilableError, UserError) as error:
        return Compiled((), Parity(served=False, reason=str(error)))
    if largest > TOLERANCE:
        reason = f"the compiled model differs by {largest:.3g}, more than {TOLERANCE:g}"
        return Compiled((), Parity(False, reason, TOLERANCE, largest, rows))
    return Compiled(tuple(contents), Parity(True, "", TOLERANCE, largest, rows))


def _difference(
    booster: xgboost.Booster,
    objective: str,
    content: bytes,
    rows: Floats,
    categorical: npt.NDArray[np.int64],
) -> float:
    """Find the largest difference, relative above 1: of the margins, and of what is made of them.

    A class is compared given the same margins: which of two equal ones wins is chance.
    """
    native = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    native = native.reshape(len(rows), -1)
    scores = booster.inplace_predict(rows, validate_features=False)
    margins = Margins(content, categorical)(rows)
    link = LINKS[objective]
    pairs = [(margins, native), (link.scores(native), scores)]
    if not link.classes:
        pairs.append((link.scores(margins), scores))
    return max(difference(ours, theirs) for ours, theirs in pairs)


def splits_of(booster: xgboost.Booster) -> list[tuple[int, float]]:
    """Find a model's numeric splits: feature and value."""
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
