"""Names of jobs, models and endpoints."""

from __future__ import annotations

import re

from sagemaker_tabular.errors import LauncherError

BASE_NAME = "sagemaker-tabular"
# CreateTrainingJob's and CreateEndpoint's pattern, with their limit of 63 characters.
_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}")


def check_name(kind: str, name: str) -> str:
    """Return the name if SageMaker accepts it.

    Raises
    ------
    LauncherError
        SageMaker does not accept the name.
    """
    if len(name) > 63 or not _NAME.fullmatch(name):
        raise LauncherError(
            f"{name!r} can't be the {kind}'s name: expected up to 63 letters, digits and "
            "hyphens, with no hyphen at either end"
        )
    return name


def unique_name(base: str) -> str:
    """Return the base followed by the current time, in at most 63 characters."""
    from sagemaker.utils import name_from_base

    return str(name_from_base(base))
