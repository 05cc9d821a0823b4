"""Checkpoints for scripts: ``xgboost-checkpoint.<round>``, the format of algorithm mode."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost
from xgboost import collective
from xgboost.callback import TrainingCallback

from sagemaker_training.absent import absent
from sagemaker_xgboost_container.saving import (
    Monitor,
    SaveCheckpointCallBack,
    SaveIntermediateModelCallBack,
)
from tabular.algorithms.xgboost.training.checkpoints import (
    IGNORED,
    KEPT,
    UPLOADED,
    UPLOADING,
    Checkpoints,
)
from tabular.algorithms.xgboost.training.collectives import broadcast

log = logging.getLogger(__name__)

CHECKPOINT_FILENAME = "xgboost-checkpoint"
TEMP_FILE_SUFFIX, FILE_LOCK_SUFFIX, FILE_SAFE_SUFFIX = IGNORED, UPLOADING, UPLOADED
# The default of xgboost.train.
DEFAULT_ROUNDS = 10

__getattr__ = absent(__name__, {"SaveCheckpoint": "use save_checkpoint(checkpoint_dir)"})


def train(train_args: Mapping[str, Any], checkpoint_dir: str | None) -> xgboost.Booster:
    """Call ``xgboost.train``, resume from the newest checkpoint, and save one after each round.

    In a cluster, all hosts start from the first host's checkpoint, and only the first host saves.

    Parameters
    ----------
    train_args : mapping
        The arguments of ``xgboost.train``. ``num_boost_round`` includes the checkpoint's rounds.
    checkpoint_dir : str or None
        The folder of the checkpoints; None for no checkpoints.
    """
    arguments = dict(train_args)
    start, done = _agreed(checkpoint_dir)
    if start is not None:
        before = arguments.pop("xgb_model", None)
        if before is not None:  # the rounds of xgb_model are not part of num_boost_round
            done -= xgboost.Booster(model_file=before).num_boosted_rounds()
        arguments["xgb_model"] = start
        log.info("training goes on from round %d, of %s", done, checkpoint_dir)
    callbacks = [
        *(arguments.get("callbacks") or []),
        print_checkpointed_evaluation(start_iteration=done),
    ]
    if checkpoint_dir:
        callbacks.append(save_checkpoint(checkpoint_dir))
    arguments["num_boost_round"] = arguments.get("num_boost_round", DEFAULT_ROUNDS) - done
    return xgboost.train(**{**arguments, "callbacks": callbacks, "verbose_eval": False})


def load_checkpoint(checkpoint_dir: str | None, max_try: int = KEPT) -> tuple[str | None, int]:
    """Find the newest complete checkpoint.

    Returns
    -------
    (str or None, int)
        The path and the number of rounds; ``(None, 0)`` if there is no checkpoint.
    """
    found = Checkpoints(Path(checkpoint_dir)).newest() if checkpoint_dir else None
    return (str(found[0]), found[1].num_boosted_rounds()) if found else (None, 0)


save_checkpoint = SaveCheckpointCallBack
save_intermediate_model = SaveIntermediateModelCallBack


def print_checkpointed_evaluation(
    period: int = 1, show_stdv: bool = True, start_iteration: int = 0, **_: Any
) -> TrainingCallback:
    """Return the callback that prints the metrics, counting from ``start_iteration`` on."""
    return Monitor(start_iteration, period)


def _agreed(checkpoint_dir: str | None) -> tuple[xgboost.Booster | None, int]:
    """Load the first host's newest checkpoint on all hosts."""
    found = None
    if checkpoint_dir and collective.get_rank() == 0:
        found = Checkpoints(Path(checkpoint_dir)).newest()
    raw = broadcast(found[1].save_raw(raw_format="ubj") if found else b"")
    if not raw:
        return None, 0
    booster = xgboost.Booster(model_file=bytearray(raw))
    return booster, booster.num_boosted_rounds()
