"""Checkpoints of a script's training: ``xgboost-checkpoint.<round>``, as the image's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost
from xgboost import collective
from xgboost.callback import EvaluationMonitor, TrainingCallback

from sagemaker_training.absent import absent
from tabular.training.checkpoints import IGNORED, KEPT, UPLOADED, UPLOADING, Checkpoints
from tabular.training.collectives import shared

log = logging.getLogger(__name__)

CHECKPOINT_FILENAME = "xgboost-checkpoint"
TEMP_FILE_SUFFIX, FILE_LOCK_SUFFIX, FILE_SAFE_SUFFIX = IGNORED, UPLOADING, UPLOADED
# What xgboost.train does when it is not told.
DEFAULT_ROUNDS = 10

__getattr__ = absent(__name__, {"SaveCheckpoint": "use save_checkpoint(checkpoint_dir)"})


def train(train_args: Mapping[str, Any], checkpoint_dir: str | None) -> xgboost.Booster:
    """Call ``xgboost.train``, from the newest checkpoint on, and save one after each round.

    In a cluster the first host's checkpoint counts, and it alone writes.

    Parameters
    ----------
    train_args : mapping
        The arguments of ``xgboost.train``; ``num_boost_round`` counts the rounds before, too.
    checkpoint_dir : str or None
        None: no checkpoints.
    """
    arguments = dict(train_args)
    start, done = _agreed(checkpoint_dir)
    callbacks = [*(arguments.get("callbacks") or []), print_checkpointed_evaluation(done)]
    if checkpoint_dir:
        callbacks.append(save_checkpoint(checkpoint_dir))
    if start is not None:
        arguments["xgb_model"] = start
        log.info("training goes on from round %d, of %s", done, checkpoint_dir)
    arguments["num_boost_round"] = arguments.get("num_boost_round", DEFAULT_ROUNDS) - done
    return xgboost.train(**{**arguments, "callbacks": callbacks, "verbose_eval": False})


def load_checkpoint(checkpoint_dir: str | None, max_try: int = KEPT) -> tuple[str | None, int]:
    """Find the newest checkpoint that is whole.

    Returns
    -------
    (str or None, int)
        Its path, and how many rounds it has; ``(None, 0)`` when there is none.
    """
    found = Checkpoints(Path(checkpoint_dir)).newest() if checkpoint_dir else None
    return (str(found[0]), found[1].num_boosted_rounds()) if found else (None, 0)


def save_checkpoint(
    checkpoint_dir: str,
    start_iteration: int = 0,
    max_to_keep: int = KEPT,
    num_round: int | None = None,
    rank: int = 0,
    iteration: int = 0,
    end_iteration: int | None = None,
) -> TrainingCallback:
    """Make the callback that saves the model after each round.

    When saving would take more than a tenth of the time, rounds in between are left out; the
    last one never is.

    Parameters
    ----------
    max_to_keep : int
        How many stay; one that SageMaker is uploading stays in any case.
    start_iteration, num_round, rank, iteration, end_iteration : int
        Mean nothing any more: the model knows its rounds, the collective its rank.
    """
    return SaveCheckpointCallBack(checkpoint_dir, max_to_keep)


class SaveCheckpointCallBack(TrainingCallback):
    """Saves the model on the first host."""

    def __init__(self, checkpoint_dir: str, max_to_keep: int = KEPT) -> None:
        super().__init__()
        self._checkpoints = Checkpoints(Path(checkpoint_dir), kept=max_to_keep)
        self._unsaved = False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save, unless it is not yet time."""
        self._save(model)
        return False

    def after_training(self, model: Any) -> Any:
        """Save the last round."""
        self._save(model, last=True)
        return model

    def _save(self, model: xgboost.Booster, last: bool = False) -> None:
        if collective.get_rank() == 0:
            self._checkpoints.save(model, model.num_boosted_rounds() - 1, last)


def print_checkpointed_evaluation(
    start_iteration: int = 0, period: int = 1, **_: Any
) -> TrainingCallback:
    """Make the callback that prints the metrics, with the rounds before counted."""
    return _Monitor(start_iteration, period)


def save_intermediate_model(
    intermediate_model_dir: str, model_name: str, **_: Any
) -> TrainingCallback:
    """Make the callback that writes the model into the artifact after each round."""
    return SaveIntermediateModelCallBack(intermediate_model_dir, model_name)


class SaveIntermediateModelCallBack(TrainingCallback):
    """Writes the model on the first host, whole or not at all."""

    def __init__(self, intermediate_model_dir: str, model_name: str) -> None:
        super().__init__()
        self._path = Path(intermediate_model_dir) / model_name

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write."""
        if collective.get_rank() == 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            partial.write_bytes(model.save_raw(raw_format="ubj"))
            partial.replace(self._path)
        return False


class _Monitor(EvaluationMonitor):
    def __init__(self, start: int, period: int) -> None:
        super().__init__(period=period)
        self._start = start

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return super().after_iteration(model, self._start + epoch, evals_log)


def _agreed(checkpoint_dir: str | None) -> tuple[xgboost.Booster | None, int]:
    """Load the first host's newest checkpoint, on all hosts."""
    found = None
    if checkpoint_dir and collective.get_rank() == 0:
        found = Checkpoints(Path(checkpoint_dir)).newest()
    raw = shared(found[1].save_raw(raw_format="ubj") if found else b"")
    if not raw:
        return None, 0
    booster = xgboost.Booster(model_file=bytearray(raw))
    return booster, booster.num_boosted_rounds()
