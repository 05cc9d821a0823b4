"""Fit one model: build matrices, boost, write metric lines and checkpoints, end at SIGTERM."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xgboost
from xgboost import collective

from tabular.algorithms.xgboost.hyperparameters import Settings
from tabular.algorithms.xgboost.metrics import computed_by_xgboost
from tabular.algorithms.xgboost.training.boosting import BoostingConfig, boost, job_error
from tabular.algorithms.xgboost.training.checkpoints import Checkpoints, ExpectedModel
from tabular.algorithms.xgboost.training.collectives import broadcast
from tabular.algorithms.xgboost.training.evaluator import Evaluator
from tabular.algorithms.xgboost.training.matrices import Part, Plan
from tabular.algorithms.xgboost.training.stopping import (
    BEST_ITERATION,
    BEST_SCORE,
    EarlyStopping,
    best_of,
)
from tabular.training.metric_lines import MetricsFile, metric_line
from tabular.training.rows import TRAIN, VALIDATION
from tabular.training.run import Run

log = logging.getLogger(__name__)

# A longer round may not end between SIGTERM and SIGKILL, so the model before the round is kept.
LONG_ROUND_SECONDS = 20.0


@dataclass(frozen=True)
class Fitted:
    """A trained model, cut back to its best round.

    Attributes
    ----------
    metrics : Mapping[str, float]
        The metrics of the best round.
    held_out : DMatrix or None
        The validation rows.
    """

    booster: xgboost.Booster
    metrics: Mapping[str, float]
    held_out: xgboost.DMatrix | None


@dataclass
class Trainer:
    """Fits the models of a job.

    Attributes
    ----------
    settings : Settings
        The settings of the job, with the names of the columns and the device of this process.
    cuts : DMatrix or None
        The matrix from which the training matrix takes its cuts; None to find them.
    keep : callable or None
        Called with the model after each long round, on rank 0; the model is saved at SIGTERM if
        the next round does not end in time.
    classes : sequence of str
        Text labels, in the order of their codes.
    """

    run: Run
    settings: Settings
    plan: Plan
    nthread: int
    cuts: xgboost.DMatrix | None = None
    keep: Callable[[xgboost.Booster], object] | None = None
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._metrics_file = MetricsFile(self.run.job.paths.metrics)

    def fit(self, parts: Mapping[str, Sequence[Part]], name: str = "") -> Fitted:
        """Fit one model.

        Parameters
        ----------
        parts : Mapping[str, sequence of Part]
            The rows of ``train``, and of ``validation`` if the job has this channel.
        name : str
            A subfolder for the checkpoints of the model, if the job trains several models.

        Raises
        ------
        JobError
            See ``boosting.boost``.
        """
        settings = self.settings
        try:
            with self.run.timing.stage("bin"):
                matrices = self._matrices(parts)
        except xgboost.core.XGBoostError as error:
            raise job_error(error) from error
        evaluator = Evaluator(
            matrices, settings.eval_metric, settings.objective, settings.num_class
        )
        checkpoints, folder = None, self.run.job.checkpoints
        if folder is not None:
            checkpoints = Checkpoints(folder / name, settings.checkpoint_interval)
        start = self._resumed(checkpoints, matrices[TRAIN])
        history: dict[int, Mapping[str, float]] = {}
        config = BoostingConfig(
            params=self._params(),
            num_round=settings.num_round,
            evaluator=evaluator,
            stopping=self._stopping(parts),
            checkpoints=checkpoints if collective.get_rank() == 0 else None,
            resumable=checkpoints is not None,
            wants_to_end=self.wants_to_end,
            on_round=_AfterRound(self, history),
            timing=self.run.timing,
            classes=self.classes,
        )
        whole = boost(config, matrices[TRAIN], start)
        booster = best_of(whole, sliceable=self.sliceable)
        last = booster.num_boosted_rounds() - 1
        if config.stopping and whole.attr(BEST_ITERATION) is not None:
            log.info(
                "early stopping: round %s is the best of %d (%s)",
                whole.attr(BEST_ITERATION),
                whole.num_boosted_rounds(),
                whole.attr(BEST_SCORE),
            )
        # A resumed job does not have the metrics of rounds before the checkpoint.
        metrics = history.get(last) or evaluator.evaluate(booster, last)
        return Fitted(booster, metrics, matrices.get(VALIDATION))

    @property
    def sliceable(self) -> bool:
        """Whether a model can be cut back to its best round; a linear model can't."""
        return self.settings.params.get("booster") != "gblinear"

    def _matrices(self, parts: Mapping[str, Sequence[Part]]) -> dict[str, xgboost.DMatrix]:
        # Parts of one channel read the rows again.
        whole = all(pick is None for each in parts.values() for _, pick in each)
        last = whole and self.settings.kfold is None and self.settings.device == "cpu"
        matrices = {TRAIN: self.plan.build(parts[TRAIN], self.cuts, last)}
        if VALIDATION in parts:
            matrices[VALIDATION] = self.plan.build(parts[VALIDATION], matrices[TRAIN], last)
        return matrices

    def _stopping(self, parts: Mapping[str, Sequence[Part]]) -> EarlyStopping | None:
        rounds = self.settings.early_stopping_rounds
        if rounds is None:
            return None
        if VALIDATION not in parts:
            log.warning(
                "early_stopping_rounds is not used: it needs a channel '%s' or validation_fraction",
                VALIDATION,
            )
            return None
        return EarlyStopping(rounds, VALIDATION, self.settings.stopping_metric)

    def _resumed(
        self, checkpoints: Checkpoints | None, matrix: xgboost.DMatrix
    ) -> xgboost.Booster | None:
        """Load the newest checkpoint of rank 0, on all hosts."""
        if checkpoints is None:
            return None
        settings = self.settings
        expected = ExpectedModel(
            settings.objective,
            settings.num_class,
            settings.params.get("booster", "gbtree"),
            matrix.num_col(),
            matrix.feature_names or (),
            self.classes,
        )
        start = checkpoints.latest(expected) if collective.get_rank() == 0 else None
        if collective.get_world_size() > 1:
            raw = broadcast(start.save_raw("ubj") if start else b"")
            start = xgboost.Booster(model_file=bytearray(raw)) if raw else None
        if start is not None:
            done = start.num_boosted_rounds()
            log.info("resumed from checkpoint %d: %d rounds are done", done - 1, done)
            if done > settings.num_round:
                log.warning("the checkpoint has more rounds than num_round %d", settings.num_round)
        return start

    def _params(self) -> dict[str, Any]:
        params = {"nthread": self.nthread, **self.settings.params}
        params["eval_metric"] = computed_by_xgboost(self.settings.eval_metric)
        if not params["eval_metric"]:
            del params["eval_metric"]
        return params

    def wants_to_end(self) -> bool:
        """Return whether SIGTERM has come and the job saves the model trained so far."""
        keeps = self.settings.save_model_on_termination == "true"
        return keeps and self.run.termination.requested.is_set()

    def clock(self) -> str | None:
        """Return the time of day for the metric lines of several hosts; None on a single host."""
        return time.strftime("%H:%M:%S") if collective.get_world_size() > 1 else None

    def write_line(self, line: str) -> None:
        """Write a line of metrics, on rank 0 only; flushed, so that a kill does not lose it."""
        if collective.get_rank() == 0:
            self.run.stdout.write(f"{line}\n")
            self.run.stdout.flush()

    def write_metrics(self, number: int, values: Mapping[str, float]) -> None:
        """Write the metrics of a round: the line on stdout, and the file for SageMaker's agent."""
        self.write_line(metric_line(number, values, self.clock()))
        if collective.get_rank() == 0:
            self._metrics_file.append(number, values, time.time())


class _AfterRound:
    """Writes the metrics of each round, and keeps the model after a long one."""

    def __init__(self, trainer: Trainer, history: dict[int, Mapping[str, float]]) -> None:
        self._trainer, self._history = trainer, history
        self._ended = time.monotonic()

    def __call__(self, booster: xgboost.Booster, number: int, values: Mapping[str, float]) -> None:
        trainer, keep = self._trainer, self._trainer.keep
        self._history[number] = values
        trainer.write_metrics(number, values)
        now = time.monotonic()
        long, self._ended = now - self._ended > LONG_ROUND_SECONDS, now
        if long and keep is not None and collective.get_rank() == 0:
            keep(booster)
