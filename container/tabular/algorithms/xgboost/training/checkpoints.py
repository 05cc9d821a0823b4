"""Checkpoints: ``xgboost-checkpoint.<round>``, so that a stopped job goes on where it was.

SageMaker copies the folder to S3 while training goes on and back before a restart. Beside a
file that it uploads stands ``<file>.sagemaker-uploading`` until ``<file>.sagemaker-uploaded``
does; files that end in ``.sagemaker-ignore`` are left alone. Names, the number kept and the
rounds in the names are those that AWS's container means. What is inside: ``checkpoint_file``.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import xgboost

from tabular.algorithms.xgboost.training.checkpoint_file import (
    load_checkpoint,
    seal,
    try_checkpoint,
)
from tabular.artifact.files import not_written
from tabular.artifact.rehearsal import rehearse
from tabular.contract.errors import UserError
from tabular.training.hyperparameters.values import shown

log = logging.getLogger(__name__)

NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
KEPT = 5
IGNORED = ".sagemaker-ignore"
UPLOADING, UPLOADED = ".sagemaker-uploading", ".sagemaker-uploaded"
# Saving a model of many rounds takes longer than a round: at most this share of the time goes
# into checkpoints.
LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class Expected:
    """What a model must be for a job to go on with it; XGBoost does not always notice.

    Attributes
    ----------
    num_class : int
        0 when not multiclass.
    names : sequence of str
        Of the feature columns; empty when the data has none.
    """

    objective: str
    num_class: int
    booster: str
    num_features: int
    names: Sequence[str] = ()

    def difference(self, booster: xgboost.Booster) -> str:
        """Say what is otherwise in a model; nothing when it fits."""
        learner = json.loads(booster.save_config())["learner"]
        for what, there, here in (
            ("objective", learner["objective"]["name"], self.objective),
            ("num_class", int(learner["learner_model_param"]["num_class"]), self.num_class),
            ("booster", learner["gradient_booster"]["name"], self.booster),
            ("number of feature columns", booster.num_features(), self.num_features),
        ):
            if there != here:
                return f"its {what} is {there}, here it is {here}"
        # A model without names takes those of the data.
        names = booster.feature_names or self.names
        if list(names) == list(self.names):
            return ""
        if not self.names:
            return "its feature columns have names, and the data has none"
        there, here = next(pair for pair in zip(names, self.names, strict=True) if len({*pair}) > 1)
        return f"it has the feature column '{shown(there)}' where the data has '{shown(here)}'"


class Checkpoints:
    """The checkpoints of one model.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    interval : int
        Rounds between two checkpoints.
    kept : int
        How many of them stay.
    """

    def __init__(self, folder: Path, interval: int = 1, kept: int = KEPT) -> None:
        self._folder = folder
        self._interval = interval
        self._kept = kept
        self._saved_at = time.monotonic()
        self._cost = 0.0  # seconds that the last one took

    def latest(self, expected: Expected | None = None) -> xgboost.Booster | None:
        """Load the newest checkpoint that is whole; None when there is none.

        Raises
        ------
        UserError
            It is not what is expected: it comes from another job.
        """
        found = self.newest()
        if found is None:
            return None
        path, booster = found
        difference = expected.difference(booster) if expected else ""
        if difference:
            raise UserError(
                f"{path} is a checkpoint of another job: {difference}; empty the checkpoint "
                "folder (checkpoint_s3_uri), or give this job one of its own"
            )
        return booster

    def newest(self) -> tuple[Path, xgboost.Booster] | None:
        """Find the newest checkpoint that is whole, and load it.

        One that is damaged or cut off is passed over with a warning. Each is loaded in a process
        with limits first: a damaged one may crash XGBoost, or take all memory.
        """
        for number, path in sorted(self._files().items(), reverse=True):
            try:
                rehearse(try_checkpoint, path)
                booster = load_checkpoint(path)
            except UserError as error:
                log.warning("%s is passed over: %s", path, error)
                continue
            if booster.num_boosted_rounds() != number + 1:
                log.warning(
                    "%s is passed over: it holds %d rounds, its name says %d",
                    path,
                    booster.num_boosted_rounds(),
                    number + 1,
                )
                continue
            return path, booster
        return None

    def save(self, booster: xgboost.Booster, number: int, last: bool = False) -> None:
        """Save after a round, unless it is not yet time for one.

        Parameters
        ----------
        number : int
            The round, from 0.
        last : bool
            Save in any case: training ends here.

        Raises
        ------
        PlatformError
            The disk is full or the folder can't be written.
        """
        waited = time.monotonic() - self._saved_at
        due = (number + 1) % self._interval == 0 and self._cost <= LARGEST_SHARE * waited
        if not (due or last):
            return
        started = time.monotonic()
        path = self._folder / f"xgboost-checkpoint.{number}"
        partial = path.with_name(path.name + IGNORED)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            model = booster.save_raw(raw_format="ubj")
            with partial.open("wb") as file:
                file.write(model)
                file.write(seal(model))
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise not_written(path, error) from error
        self._tidy(number)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def _files(self) -> dict[int, Path]:
        found = {}
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in self._folder.iterdir():
                matched = NAME.fullmatch(path.name)
                if matched and path.is_file():
                    found[int(matched[1])] = path
        return found

    def _tidy(self, newest: int) -> None:
        # Later rounds were passed over when the job was resumed: they do not count.
        files = sorted(item for item in self._files().items() if item[0] <= newest)
        for _, path in files[: -self._kept]:
            uploading = path.with_name(path.name + UPLOADING)
            uploaded = path.with_name(path.name + UPLOADED)
            if uploading.exists() and not uploaded.exists():
                continue  # SageMaker reads it just now
            with suppress(OSError):
                path.unlink()
