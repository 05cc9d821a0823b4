"""Checkpoints: ``xgboost-checkpoint.<round>``, so that a stopped job goes on where it was.

SageMaker copies the folder to S3 while training goes on and back before a restart. Beside a
file that it uploads stands ``<file>.sagemaker-uploading`` until ``<file>.sagemaker-uploaded``
does; files that end in ``.sagemaker-ignore`` are left alone. Names, the number kept and the
rounds in the names are those that AWS's container means.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from pathlib import Path

import xgboost

from tabular.artifact.booster import load_unverified
from tabular.artifact.files import not_written
from tabular.contract.errors import UserError

log = logging.getLogger(__name__)

NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
KEPT = 5
IGNORED = ".sagemaker-ignore"
UPLOADING, UPLOADED = ".sagemaker-uploading", ".sagemaker-uploaded"
# Saving a model of many rounds takes longer than a round: at most this share of the time goes
# into checkpoints.
LARGEST_SHARE = 0.1


class Checkpoints:
    """The checkpoints of one model.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    interval : int
        Rounds between two checkpoints.
    """

    def __init__(self, folder: Path, interval: int = 1) -> None:
        self._folder = folder
        self._interval = interval
        self._saved_at = time.monotonic()
        self._cost = 0.0  # seconds that the last one took

    def latest(self) -> xgboost.Booster | None:
        """Load the newest checkpoint that is whole; None when there is none.

        One that can't be loaded, cut off by a kill during the copy, is passed over with a warning.
        """
        for number, path in sorted(self._files().items(), reverse=True):
            try:
                booster = load_unverified(path)
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
            return booster
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
            partial.write_bytes(booster.save_raw(raw_format="ubj"))
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise not_written(path, error) from error
        self._tidy()
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

    def _tidy(self) -> None:
        for _, path in sorted(self._files().items())[:-KEPT]:
            uploading = path.with_name(path.name + UPLOADING)
            uploaded = path.with_name(path.name + UPLOADED)
            if uploading.exists() and not uploaded.exists():
                continue  # SageMaker reads it just now
            with suppress(OSError):
                path.unlink()
