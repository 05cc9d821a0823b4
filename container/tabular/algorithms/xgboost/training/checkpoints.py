"""Checkpoints: ``xgboost-checkpoint.<round>`` files, from which a stopped job resumes.

SageMaker copies the folder to S3 during training, and back before a restart. While SageMaker
uploads a file, ``<file>.sagemaker-uploading`` exists; after the upload,
``<file>.sagemaker-uploaded`` exists. SageMaker does not copy files that end in
``.sagemaker-ignore``. The names of the files, and the number of checkpoints that are kept, are
those of AWS's container. For the content of the files see ``checkpoint_file``.
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

from tabular.algorithms.xgboost.model import classes_of
from tabular.algorithms.xgboost.training.checkpoint_file import (
    digest_trailer,
    load_checkpoint,
    try_checkpoint,
)
from tabular.artifact.files import not_written
from tabular.artifact.trial_load import trial_load
from tabular.contract.errors import UserError
from tabular.data.quoting import listed
from tabular.training.hyperparameters.values import shown

log = logging.getLogger(__name__)

NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
KEPT = 5
IGNORED = ".sagemaker-ignore"
UPLOADING, UPLOADED = ".sagemaker-uploading", ".sagemaker-uploaded"
# Saving a model of many rounds may take longer than a round: checkpoints take at most this share of
# the time.
LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class ExpectedModel:
    """What a job expects of a checkpoint to resume from it; XGBoost does not check all of this.

    Attributes
    ----------
    num_class : int
        The number of classes; 0 if not multiclass.
    names : sequence of str
        The names of the feature columns; empty if the data has none.
    classes : sequence of str
        Text labels, in the order of their codes; empty for labels that are numbers.
    """

    objective: str
    num_class: int
    booster: str
    num_features: int
    names: Sequence[str] = ()
    classes: Sequence[str] = ()

    def difference(self, booster: xgboost.Booster) -> str:
        """Return the first difference between a model and what is expected, or an empty text."""
        learner = json.loads(booster.save_config())["learner"]
        for what, found, expected in (
            ("objective", learner["objective"]["name"], self.objective),
            ("num_class", int(learner["learner_model_param"]["num_class"]), self.num_class),
            ("booster", learner["gradient_booster"]["name"], self.booster),
            ("number of feature columns", booster.num_features(), self.num_features),
        ):
            if found != expected:
                return f"its {what} is {found}, here it is {expected}"
        known = classes_of(booster)
        if known != list(self.classes):
            return (
                f"its class labels are {_labels_shown(known)}, here they are "
                f"{_labels_shown(self.classes)}"
            )
        # If the model has no names, XGBoost takes the names of the data.
        names = booster.feature_names or self.names
        if list(names) == list(self.names):
            return ""
        if not self.names:
            return "its feature columns have names, and the data has none"
        pairs = zip(names, self.names, strict=True)
        found, expected = next(pair for pair in pairs if pair[0] != pair[1])
        return f"it has the feature column '{shown(found)}' where the data has '{shown(expected)}'"


def _labels_shown(classes: Sequence[str]) -> str:
    return listed(classes) if classes else "numbers"


class Checkpoints:
    """The checkpoints of one model.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    interval : int
        Rounds between two checkpoints.
    kept : int
        The number of checkpoints that are kept.
    """

    def __init__(self, folder: Path, interval: int = 1, kept: int = KEPT) -> None:
        self._folder = folder
        self._interval = interval
        self._kept = kept
        self._saved_at = time.monotonic()
        self._save_seconds = 0.0  # for the last checkpoint

    def latest(self, expected: ExpectedModel | None = None) -> xgboost.Booster | None:
        """Load the newest undamaged checkpoint, or return None.

        Raises
        ------
        UserError
            The checkpoint is from another job.
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
        """Return the path and the model of the newest undamaged checkpoint, or None.

        Damaged and truncated checkpoints are skipped with a warning. Each checkpoint is first
        loaded in a separate process with limits: a damaged checkpoint may crash XGBoost, or take
        all memory.
        """
        for number, path in sorted(self._files().items(), reverse=True):
            try:
                trial_load(try_checkpoint, path)
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
        """Save a checkpoint after a round, if one is due.

        Parameters
        ----------
        number : int
            The round, from 0.
        last : bool
            Training ends after this round: save in any case.

        Raises
        ------
        PlatformError
            The disk is full, or the folder can't be written.
        """
        waited = time.monotonic() - self._saved_at
        due = (number + 1) % self._interval == 0 and self._save_seconds <= LARGEST_SHARE * waited
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
                file.write(digest_trailer(model))
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise not_written(path, error) from error
        self._remove_old(number)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - started

    def _files(self) -> dict[int, Path]:
        found = {}
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in self._folder.iterdir():
                matched = NAME.fullmatch(path.name)
                if matched and path.is_file():
                    found[int(matched[1])] = path
        return found

    def _remove_old(self, newest: int) -> None:
        # Files of later rounds are damaged files that the resumed job has skipped; they do not
        # count.
        files = sorted(item for item in self._files().items() if item[0] <= newest)
        for _, path in files[: -self._kept]:
            uploading = path.with_name(path.name + UPLOADING)
            uploaded = path.with_name(path.name + UPLOADED)
            if uploading.exists() and not uploaded.exists():
                continue  # SageMaker is reading it
            with suppress(OSError):
                path.unlink()
