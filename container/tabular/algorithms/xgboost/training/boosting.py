"""The boosting loop: update, evaluate, stop early, save a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xgboost

from tabular.algorithms.xgboost.model import CLASSES, plain_message
from tabular.algorithms.xgboost.training.checkpoints import Checkpoints
from tabular.algorithms.xgboost.training.collectives import any_host
from tabular.algorithms.xgboost.training.evaluator import Evaluator
from tabular.algorithms.xgboost.training.stopping import EarlyStopping
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.training.timing import Timing

# Parameters that make XGBoost draw random numbers in each round, if their value is below 1. With
# dart, XGBoost always draws random numbers.
SAMPLING_PARAMETERS = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
# Parts of the messages by which XGBoost reports that the customer's data or settings are wrong
# (the list of AWS's container, in the wording of XGBoost 3).
USER_ERRORS = (
    "label must be",
    "Weights must be positive",
    "Parameter",
    "max_bin",
    "AUC: the dataset only contains pos or neg samples",
    "base_score must be",
    "base_score.cbegin()",  # the weighted mean of the labels is NaN: all weights of a fold are 0
    "Check failed: preds.size() == info.labels_.size()",
    "feature_names mismatch",
    "Must have at least",
    "not compiled with CUDA",
    "No visible GPU",
)
# More such messages. They do not say what to do, so each is replaced by another message.
TRANSLATED = {
    "trees_to_update.size()": (
        "Hyperparameter process_type: update changes the trees of a model from a checkpoint, "
        "and num_round asks for more rounds than that model has (none without a checkpoint); "
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
        Parameters of XGBoost.
    stopping : EarlyStopping or None
    checkpoints : Checkpoints or None
        None without ``CheckpointConfig``, and on hosts that save no checkpoints.
    resumable : bool
        Whether a resumed job must train the same model as an uninterrupted job. Equal on all hosts.
    wants_to_end : callable
        Called after each round; True ends training with the model trained so far.
    on_round : callable
        Called after each round with the model, the round's number from 0, and its metrics.
    classes : sequence of str
        Text labels, in the order of their codes. The model and its checkpoints keep them.
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
    classes: Sequence[str] = ()


def boost(
    config: BoostingConfig, matrix: xgboost.DMatrix, start: xgboost.Booster | None = None
) -> xgboost.Booster:
    """Train a model, from the start or from a checkpoint; every host of the collective calls it.

    Parameters
    ----------
    matrix : DMatrix
        Training rows.
    start : Booster or None
        A checkpoint; its rounds count as rounds of this training.

    Returns
    -------
    Booster
        The model with all rounds; ``stopping.best_of`` cuts it back to the best round.

    Raises
    ------
    UserError
        XGBoost's message says that the data or the settings are wrong.
    AlgorithmError
        XGBoost fails for another reason.
    """
    params = dict(config.params)
    draws = params.get("booster") == "dart" or any(
        float(params.get(name, 1)) < 1 for name in SAMPLING_PARAMETERS
    )
    redraw = config.resumable and draws and params.get("booster") != "gblinear"
    if redraw:
        params["seed_per_iteration"] = True
    cache = [matrix, *config.evaluator.matrices.values()]
    model = bytearray(start.save_raw(raw_format="ubj")) if start else None
    try:
        booster = xgboost.Booster(params, cache, model)
        if config.classes:
            booster.set_attr(**{CLASSES: json.dumps(list(config.classes))})
        for number in range(booster.num_boosted_rounds(), config.num_round):
            if config.stopping and config.stopping.is_over(booster):
                break
            with config.timing.stage("train"):
                if redraw:
                    _renew_updaters(booster, params)
                booster.update(matrix, number)
            with config.timing.stage("evaluate"):
                values = config.evaluator.evaluate(booster, number)
            if config.stopping:
                config.stopping.note(booster, number, values)
            config.on_round(booster, number, values)
            ends = any_host(config.wants_to_end())
            if config.checkpoints:
                last = ends or number + 1 == config.num_round
                over = config.stopping is not None and config.stopping.is_over(booster)
                with config.timing.stage("save"):
                    config.checkpoints.save(booster, number, last=last or over)
            if ends:
                break
    except xgboost.core.XGBoostError as error:
        raise job_error(error) from error
    except ValueError as error:  # a constraint names a column that does not exist
        raise UserError(f"XGBoost refuses the hyperparameters: {error}") from error
    return booster


def job_error(error: xgboost.core.XGBoostError) -> JobError:
    """Return XGBoost's error as a UserError if the customer can fix it, else an AlgorithmError."""
    message = plain_message(error)
    for part, translation in TRANSLATED.items():
        if part in message:
            return UserError(translation)
    if any(part in message for part in USER_ERRORS):
        return UserError(message)
    return AlgorithmError(f"XGB train call failed with exception: {message}")


def _renew_updaters(booster: xgboost.Booster, params: Mapping[str, Any]) -> None:
    """Make XGBoost create its updaters again, so that random numbers depend on the round alone.

    ``seed_per_iteration`` seeds the booster's generator in each round. But each updater has its own
    generator, which is created with the updater. This function changes the names of the updaters
    and restores the names, so that XGBoost creates the updaters again.
    """
    config = json.loads(booster.save_config())["learner"]["gradient_booster"]
    names = config.get("gbtree", config)["gbtree_train_param"]["updater_seq"]
    # XGBoost would warn in each round that updaters are set by name.
    booster.set_param({"verbosity": 0, "updater": "prune" if names != "prune" else "refresh"})
    booster.save_config()  # applies the change
    booster.set_param({"updater": names, "verbosity": params.get("verbosity", 1)})
