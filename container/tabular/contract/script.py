"""Script mode: the customer's program that a training job runs, and the source of the code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import decode

PROGRAM = "sagemaker_program"
SOURCE = "sagemaker_submit_directory"
LOG_LEVEL = "sagemaker_container_log_level"
# SageMaker sets AWS_REGION, which boto3 does not read.
REGIONS = ("SAGEMAKER_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class TrainingScript:
    """The customer's training program.

    Attributes
    ----------
    program : str
        A path relative to the folder of the code: ``train.py``, ``train.sh``, ``src/train.py``.
    source : str
        The source of the code: ``s3://...``, ``file://...``, a folder or an archive; ``""`` when
        the job names none.
    log_level : int
        The lowest level of this image's own log lines.
    """

    program: str
    source: str = ""
    log_level: int = logging.INFO


def read_script(raw: Mapping[str, object], environ: Mapping[str, str]) -> TrainingScript | None:
    """Return the job's program; None in algorithm mode.

    ``SAGEMAKER_PROGRAM`` takes precedence over the hyperparameter, as in AWS's training toolkit.

    Parameters
    ----------
    raw : Mapping[str, object]
        The content of ``hyperparameters.json``, not decoded.

    Raises
    ------
    UserError
        The log level is not a number.
    """

    def given(name: str) -> str:
        value = decode(raw.get(name))
        return "" if value is None else str(value)

    program = environ.get(PROGRAM.upper()) or given(PROGRAM)
    if not program:
        return None
    level = given(LOG_LEVEL) or environ.get(LOG_LEVEL.upper()) or str(logging.INFO)
    if not level.isdigit():
        raise UserError(f"{LOG_LEVEL}: {level!r} is not a number; expected one such as 20 (INFO)")
    return TrainingScript(program, given(SOURCE) or environ.get(SOURCE.upper(), ""), int(level))


def region_of(environ: Mapping[str, str]) -> str | None:
    """Return the region that the container runs in, or None."""
    return next((environ[name] for name in REGIONS if environ.get(name)), None)
