"""Callbacks for a script's training: save checkpoints and models, print metrics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import xgboost
from xgboost import collective
from xgboost.callback import EvaluationMonitor, TrainingCallback

from tabular.algorithms.xgboost.training.checkpoints import KEPT, Checkpoints


class SaveCheckpointCallBack(TrainingCallback):
    """Saves a checkpoint after each round, on the first host.

    If saving takes more than a tenth of the time, some rounds are not saved. The last round is
    always saved.

    Parameters
    ----------
    max_to_keep : int
        The number of checkpoints to keep. A checkpoint that SageMaker is uploading is always kept.
    start_iteration, num_round, rank, iteration, end_iteration : int
        Ignored: the model has the number of rounds, and XGBoost's collective has the rank.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        start_iteration: int = 0,
        max_to_keep: int = KEPT,
        num_round: int | None = None,
        rank: int = 0,
        iteration: int = 0,
        end_iteration: int | None = None,
    ) -> None:
        super().__init__()
        self._checkpoints = Checkpoints(Path(checkpoint_dir), kept=max_to_keep)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save a checkpoint, unless saving takes more than a tenth of the time."""
        self._save(model)
        return False

    def after_training(self, model: Any) -> Any:
        """Save a checkpoint of the last round."""
        if model.num_boosted_rounds():
            self._save(model, last=True)
        return model

    def _save(self, model: xgboost.Booster, last: bool = False) -> None:
        if collective.get_rank() == 0:
            self._checkpoints.save(model, model.num_boosted_rounds() - 1, last)


class SaveIntermediateModelCallBack(TrainingCallback):
    """Writes the model into the artifact after each round, atomically."""

    def __init__(
        self, intermediate_model_dir: str, model_name: str, is_master: bool = True
    ) -> None:
        super().__init__()
        self._path = Path(intermediate_model_dir) / model_name
        self._is_master = is_master

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write the model."""
        if self._is_master and collective.get_rank() == 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            partial.write_bytes(model.save_raw(raw_format="ubj"))
            partial.replace(self._path)
        return False


class Monitor(EvaluationMonitor):
    """Prints the metrics. The number of the first round is ``start``."""

    def __init__(self, start: int, period: int) -> None:
        super().__init__(period=period)
        self._start = start

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Print the metrics."""
        return super().after_iteration(model, self._start + epoch, evals_log)
