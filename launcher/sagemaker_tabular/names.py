"""Names of jobs, models and endpoints."""

from __future__ import annotations

import re

from sagemaker_tabular.errors import LauncherError

BASE_NAME = "sagemaker-tabular"
# CreateTrainingJob's and CreateEndpoint's pattern, with their limit of 63 characters.
_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}")


def check_name(kind: str, name: str) -> str:
    """Return a name that SageMaker takes.

    Raises
    ------
    LauncherError
        SageMaker would refuse it.
    """
    if len(name) > 63 or not _NAME.fullmatch(name):
        raise LauncherError(
            f"{name!r} can't be the {kind}'s name: expected up to 63 letters, digits and "
            "hyphens, with no hyphen at either end"
        )
    return name


def unique_name(base: str) -> str:
    """Return the base with the time of day after it, within SageMaker's 63 characters."""
    from sagemaker.utils import name_from_base

    return str(name_from_base(base))
