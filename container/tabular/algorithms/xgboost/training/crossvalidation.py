"""k-fold cross-validation, by AWS's hyperparameters ``_kfold`` and ``_num_cv_round``.

The rows of train and validation are split into folds together. Each fold is held out once: a model
is trained on the other folds and evaluated on the held-out fold. The artifact has a model for each
fold, and ``predictions.csv`` has the held-out predictions.
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
from tabular.algorithms.xgboost.training.collectives import allgather_rows, any_host
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
    """Fit one model for each fold of each repetition.

    Parameters
    ----------
    output : Path
        The folder of ``predictions.csv``.

    Returns
    -------
    (list of Booster, dict of str to float)
        The models, and the means of their metrics.

    Raises
    ------
    JobError
        See ``Trainer.fit``. UserError also if there are fewer rows than folds.
    """
    settings = trainer.settings
    num_folds = settings.kfold or 0
    label = np.concatenate([store.label for store in stores.values()])
    assignments = _assign_folds(trainer, stores, label)
    predictions = HeldOutPredictions(label, len(assignments), settings.objective)
    boosters: list[xgboost.Booster] = []
    results: list[Mapping[str, float]] = []
    for repetition, numbers in enumerate(assignments):
        for fold in range(num_folds):
            held_out = numbers == fold
            log.info(
                "repetition %d of %d, fold %d of %d",
                repetition + 1,
                len(assignments),
                fold + 1,
                num_folds,
            )
            fitted = trainer.fit(
                {TRAIN: _parts(stores, ~held_out), VALIDATION: _parts(stores, held_out)},
                name=f"model-{len(boosters)}",
            )
            boosters.append(fitted.booster)
            results.append(fitted.metrics)
            predictions.add(repetition, held_out, fitted.booster.predict(fitted.held_out))
            if any_host(trainer.wants_to_end()):
                log.warning(
                    "stopped after %d of %d folds", len(boosters), num_folds * len(assignments)
                )
                return boosters, _means(results)
        _write_summary(trainer, results[-num_folds:])
    if len(assignments) > 1:
        _write_summary(trainer, results)
    table = np.concatenate(allgather_rows(predictions.table()))
    if collective.get_rank() == 0:
        with trainer.run.timing.stage("save"):
            write_predictions(table, output)
    return boosters, _means(results)


def _assign_folds(
    trainer: Trainer, stores: Mapping[str, Store], label: npt.NDArray[Any]
) -> npt.NDArray[np.int32]:
    """Return the fold of each row for each repetition, (repetitions, rows); groups stay whole."""
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
