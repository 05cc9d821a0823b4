"""k-fold cross-validation as AWS's container names it: ``_kfold`` and ``_num_cv_round``.

The rows of train and validation together are parsed once and cut into folds; each fold is held
out once, and the model is evaluated on it. Every fold leaves a model; ``predictions.csv`` has
the held-out predictions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.collectives import anywhere, gathered
from tabular.algorithms.xgboost.training.folds import (
    HeldOutPredictions,
    folds,
    summary_line,
    write_predictions,
)
from tabular.algorithms.xgboost.training.matrices import Part
from tabular.algorithms.xgboost.training.trainer import Trainer
from tabular.data.store import Store
from tabular.training.rows import TRAIN, VALIDATION

log = logging.getLogger(__name__)


def cross_validate(
    trainer: Trainer, stores: Mapping[str, Store], output: Path
) -> tuple[list[xgboost.Booster], dict[str, float]]:
    """Fit one model for each fold of each repeat.

    Parameters
    ----------
    output : Path
        Where ``predictions.csv`` goes.

    Returns
    -------
    (list of Booster, dict of str to float)
        The models, and the means of their metrics.

    Raises
    ------
    JobError
        See ``Trainer.fit``; UserError also when there are fewer rows than folds.
    """
    settings = trainer.settings
    num_folds = settings.kfold or 0
    label = np.concatenate([store.label for store in stores.values()])
    deal = _deal(trainer, stores, label)
    predictions = HeldOutPredictions(label, len(deal), settings.objective)
    boosters: list[xgboost.Booster] = []
    results: list[Mapping[str, float]] = []
    for repeat, numbers in enumerate(deal):
        for fold in range(num_folds):
            held_out = numbers == fold
            log.info(
                "repetition %d of %d, fold %d of %d", repeat + 1, len(deal), fold + 1, num_folds
            )
            fitted = trainer.fit(
                {TRAIN: _parts(stores, ~held_out), VALIDATION: _parts(stores, held_out)},
                name=f"model-{len(boosters)}",
            )
            boosters.append(fitted.booster)
            results.append(fitted.metrics)
            predictions.add(repeat, held_out, fitted.booster.predict(fitted.held_out))
            if anywhere(trainer.wants_to_end()):
                log.warning("stopped after %d of %d folds", len(boosters), num_folds * len(deal))
                return boosters, _means(results)
        _write_summary(trainer, results[-num_folds:])
    if len(deal) > 1:
        _write_summary(trainer, results)
    table = np.concatenate(gathered(predictions.table()))
    if collective.get_rank() == 0:
        with trainer.run.timing.stage("save"):
            write_predictions(table, output)
    return boosters, _means(results)


def _deal(
    trainer: Trainer, stores: Mapping[str, Store], label: npt.NDArray[Any]
) -> npt.NDArray[np.int32]:
    """Deal the rows into folds; a group for ranking falls into one fold as a whole."""
    settings = trainer.settings
    seed = settings.params.get("seed", 0)
    qids = [store.qid for store in stores.values()]
    if not any(qid is not None for qid in qids):
        stratified = OBJECTIVES[settings.objective].is_classification
        return folds(label, settings.kfold or 0, settings.num_cv_round, stratified, seed)
    begins = [np.diff(qid, prepend=qid[:1] - 1) != 0 for qid in qids if qid is not None]
    group = np.cumsum(np.concatenate(begins)) - 1
    groups = np.arange(group[-1] + 1)
    of_groups = folds(
        groups, settings.kfold or 0, settings.num_cv_round, False, seed, of="groups of rows"
    )
    return of_groups[:, group]


def _parts(stores: Mapping[str, Store], pick: npt.NDArray[np.bool_]) -> list[Part]:
    ends = np.cumsum([store.rows for store in stores.values()])
    return list(zip(stores.values(), np.split(pick, ends[:-1]), strict=True))


def _write_summary(trainer: Trainer, results: list[Mapping[str, float]]) -> None:
    trainer.write_line(summary_line(trainer.settings.num_round, results, trainer.clock()))


def _means(results: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([result[name] for result in results])) for name in results[0]}
