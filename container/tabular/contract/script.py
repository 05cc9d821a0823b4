"""Script mode: which program of the customer's a job runs, and where its code comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import decode

PROGRAM = "sagemaker_program"
SOURCE = "sagemaker_submit_directory"
LOG_LEVEL = "sagemaker_container_log_level"
# boto3 itself does not know AWS_REGION, which SageMaker sets.
REGIONS = ("SAGEMAKER_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class TrainingScript:
    """The customer's program.

    Attributes
    ----------
    program : str
        As ``train.py``, ``train.sh`` or ``src/train.py``, below the code's folder.
    source : str
        ``s3://...``, ``file://...``, a folder or an archive; ``""`` when the job names none.
    log_level : int
        From which level on this image's own log lines are written.
    """

    program: str
    source: str = ""
    log_level: int = logging.INFO


def read_script(raw: Mapping[str, object], environ: Mapping[str, str]) -> TrainingScript | None:
    """Find the job's program, None in algorithm mode.

    ``SAGEMAKER_PROGRAM`` goes before the hyperparameter, as in AWS's training toolkit.

    Parameters
    ----------
    raw : Mapping[str, object]
        ``hyperparameters.json`` as it is.

    Raises
    ------
    UserError
        The log level is no number.
    """

    def given(name: str) -> str:
        value = decode(raw.get(name))
        return "" if value is None else str(value)

    program = environ.get(PROGRAM.upper()) or given(PROGRAM)
    if not program:
        return None
    level = given(LOG_LEVEL) or environ.get(LOG_LEVEL.upper()) or str(logging.INFO)
    if not level.isdigit():
        raise UserError(f"{LOG_LEVEL}: {level!r} is no number; expected one such as 20 (INFO)")
    return TrainingScript(program, given(SOURCE) or environ.get(SOURCE.upper(), ""), int(level))


def region_of(environ: Mapping[str, str]) -> str | None:
    """Find the region that the container runs in."""
    return next((environ[name] for name in REGIONS if environ.get(name)), None)
