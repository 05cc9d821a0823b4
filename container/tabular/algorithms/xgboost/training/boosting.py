"""The boosting loop: update, evaluate, write the line, stop, save a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import xgboost

from tabular.algorithms.xgboost.model import plain_message
from tabular.algorithms.xgboost.training.checkpoints import Checkpoints
from tabular.algorithms.xgboost.training.collectives import any_host
from tabular.algorithms.xgboost.training.evaluator import Evaluator
from tabular.algorithms.xgboost.training.stopping import EarlyStopping
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.training.timing import Timing

# What draws random numbers in each round; dart drops trees by chance.
DRAWING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
# What XGBoost says when the customer's data or settings are wrong (AWS's list, with the
# wording of XGBoost 3).
CUSTOMERS_FAULTS = (
    "label must be",
    "Weights must be positive",
    "Parameter",
    "max_bin",
    "AUC: the dataset only contains pos or neg samples",
    "base_score must be",
    "base_score.cbegin()",  # labels whose weighted mean is none: a fold whose weights are all 0
    "Check failed: preds.size() == info.labels_.size()",
    "feature_names mismatch",
    "Must have at least",
    "not compiled with CUDA",
    "No visible GPU",
)
# The same, where XGBoost's own words do not say what to do.
TRANSLATED = {
    "trees_to_update.size()": (
        "Hyperparameter process_type: update changes the trees of a model that is there, and "
        "num_round asks for more rounds than that model has (none without a checkpoint); "
        "restore its checkpoint and set num_round to its rounds, or leave process_type out"
    ),
    "Invalid categorical value": (
        "a column of categories holds a code that XGBoost can't take: codes are whole numbers "
        "from 0 to 16,777,215; number the categories from 0, or take the column out of "
        "feature_types"
    ),
}


@dataclass(frozen=True)
class BoostingConfig:
    """How one model is trained.

    Attributes
    ----------
    params : Mapping[str, object]
        XGBoost's.
    stopping : EarlyStopping or None
    checkpoints : Checkpoints or None
        None on hosts that do not write, and without ``CheckpointConfig``.
    resumable : bool
        A resumed model is to equal the unbroken one; on every host the same.
    wants_to_end : callable
        Asked after each round; True ends training with what there is.
    on_round : callable
        Gets the model, the round's number from 0, and its metrics.
    """

    params: Mapping[str, Any]
    num_round: int
    evaluator: Evaluator
    stopping: EarlyStopping | None = None
    checkpoints: Checkpoints | None = None
    resumable: bool = False
    wants_to_end: Callable[[], bool] = lambda: False
    on_round: Callable[[xgboost.Booster, int, Mapping[str, float]], None] = lambda *_: None
    timing: Timing = field(default_factory=Timing)


def boost(
    course: BoostingConfig, matrix: xgboost.DMatrix, start: xgboost.Booster | None = None
) -> xgboost.Booster:
    """Train a model, or go on with one.

    Parameters
    ----------
    matrix : DMatrix
        Training rows.
    start : Booster or None
        A checkpoint; its rounds count.

    Returns
    -------
    Booster
        With all rounds: ``stopping.best_of`` cuts back to the best.

    Raises
    ------
    UserError
        XGBoost blames the data or the settings.
    AlgorithmError
        It fails otherwise.
    """
    params = dict(course.params)
    draws = params.get("booster") == "dart" or any(
        float(params.get(name, 1)) < 1 for name in DRAWING
    )
    redraw = course.resumable and draws and params.get("booster") != "gblinear"
    if redraw:
        params["seed_per_iteration"] = True
    cache = [matrix, *course.evaluator.matrices.values()]
    model = bytearray(start.save_raw(raw_format="ubj")) if start else None
    try:
        booster = xgboost.Booster(params, cache, model)
        for number in range(booster.num_boosted_rounds(), course.num_round):
            if course.stopping and course.stopping.is_over(booster):
                break
            with course.timing.stage("train"):
                if redraw:
                    _renew_updaters(booster, params)
                booster.update(matrix, number)
            with course.timing.stage("evaluate"):
                values = course.evaluator.evaluate(booster, number)
            if course.stopping:
                course.stopping.note(booster, number, values)
            course.on_round(booster, number, values)
            ends = any_host(course.wants_to_end())
            if course.checkpoints:
                last = ends or number + 1 == course.num_round
                over = course.stopping is not None and course.stopping.is_over(booster)
                with course.timing.stage("save"):
                    course.checkpoints.save(booster, number, last=last or over)
            if ends:
                break
    except xgboost.core.XGBoostError as error:
        raise blame(error) from error
    except ValueError as error:  # a constraint that names a column which is not there
        raise UserError(f"XGBoost refuses the hyperparameters: {error}") from error
    return booster


def blame(error: xgboost.core.XGBoostError) -> JobError:
    """Tell the customer's mistakes from failures of the library."""
    message = plain_message(error)
    for words, translation in TRANSLATED.items():
        if words in message:
            return UserError(translation)
    if any(known in message for known in CUSTOMERS_FAULTS):
        return UserError(message)
    return AlgorithmError(f"XGB train call failed with exception: {message}")


def _renew_updaters(booster: xgboost.Booster, params: Mapping[str, Any]) -> None:
    """Make XGBoost draw from the round's number alone, and not from what it drew before.

    ``seed_per_iteration`` seeds the generator in each round, but the updaters keep one of their
    own from the round in which they were made. A change of their names and back makes them anew.
    """
    config = json.loads(booster.save_config())["learner"]["gradient_booster"]
    names = config.get("gbtree", config)["gbtree_train_param"]["updater_seq"]
    # That updaters are set by name is warned of in each round.
    booster.set_param({"verbosity": 0, "updater": "prune" if names != "prune" else "refresh"})
    booster.save_config()  # puts the change into effect
    booster.set_param({"updater": names, "verbosity": params.get("verbosity", 1)})
