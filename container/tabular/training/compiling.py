"""Compile what was trained to ONNX, and serve the compiled model only if it agrees."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost

from tabular.artifact.compiled import Margins
from tabular.artifact.links import LINKS
from tabular.artifact.manifest import Parity
from tabular.artifact.trees import NotCompilableError, compile_booster, trees_of
from tabular.contract.errors import UserError
from tabular.contract.machine import resident_bytes
from tabular.data.batch import Floats
from tabular.training.hard_rows import hard_rows
from tabular.training.memory import MEBIBYTE, mib
from tabular.training.parity import difference

log = logging.getLogger(__name__)

# Both add up the leaves in float32, each in its own order: 1e-6 is what long sums differ by.
TOLERANCE = 1e-5
# What compiling takes beside the model, for a byte of its UBJSON; measured: 31 for a million nodes.
BYTES_PER_SAVED = 35
BYTES_BESIDE = 64 * MEBIBYTE
# Hard rows are up to six samples, which are there twice while they are put together.
SAMPLES = 12


@dataclass(frozen=True)
class Compiled:
    """The compiled models of an artifact, in the order of the native ones; none if not served.

    Attributes
    ----------
    contents : sequence of bytes
        ONNX.
    parity : Parity or None
        What the manifest says of it.
    """

    contents: Sequence[bytes]
    parity: Parity | None = None


def compile_models(
    boosters: Sequence[xgboost.Booster],
    objective: str,
    sample: Floats,
    categorical: npt.NDArray[np.int64],
    memory: int,
) -> Compiled:
    """Compile all models, or none, and say why in log and manifest.

    Nothing that happens here ends a training job: its model is saved.

    Parameters
    ----------
    sample : float32 array, (rows, features)
        Of the training data.
    categorical : int64 array
        The columns that are categories.
    memory : int
        Bytes that the container may use.
    """
    contents: list[bytes] = []
    rows, largest = 0, 0.0
    try:
        for booster in boosters:
            _require_memory(booster, sample, memory)
            contents.append(compile_booster(booster))
            checked = hard_rows(sample, splits_of(booster), categorical)
            rows += len(checked)
            largest = max(
                largest, _difference(booster, objective, contents[-1], checked, categorical)
            )
    except Exception as error:  # the converter's and the runtime's own come in all classes
        reason = str(error)
        if not isinstance(error, (NotCompilableError, UserError)):
            log.debug("compiling failed", exc_info=True)
            reason = f"compiling failed ({type(error).__name__}: {reason})"
        log.warning("the model is served by XGBoost, not compiled: %s", reason)
        return Compiled((), Parity(served=False, reason=reason))
    if largest > TOLERANCE:
        reason = f"the compiled model differs by {largest:.3g}, more than {TOLERANCE:g}"
        log.warning("the model is served by XGBoost, not compiled: %s", reason)
        return Compiled((), Parity(False, reason, TOLERANCE, largest, rows))
    log.info("compiled to ONNX: differs by %.2g at most on %d rows", largest, rows)
    return Compiled(tuple(contents), Parity(True, "", TOLERANCE, largest, rows))


def _require_memory(booster: xgboost.Booster, sample: Floats, memory: int) -> None:
    """Refuse to compile where that could get the container killed.

    Raises
    ------
    NotCompilableError
        Says how much memory is missing.
    """
    saved = len(booster.save_raw("ubj"))
    needed = BYTES_BESIDE + SAMPLES * sample.nbytes + BYTES_PER_SAVED * saved
    free = memory - resident_bytes()
    if needed > free:
        raise NotCompilableError(
            f"compiling takes {mib(needed)} of memory, and {mib(free)} are free"
        )


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
