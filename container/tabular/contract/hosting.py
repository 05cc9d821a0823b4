"""Whether SageMaker, or another service of AWS, runs this container."""

from __future__ import annotations

from collections.abc import Mapping

from tabular.contract.errors import UserError

# What the platform sets for its containers, and nobody on a laptop does.
PLATFORM = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
    "AWS_EXECUTION_ENV",
    "SAGEMAKER_BATCH",
    "SAGEMAKER_REGION",
    "SAGEMAKER_SAFE_PORT_RANGE",
)


def in_sagemaker(environ: Mapping[str, str]) -> bool:
    """Tell an endpoint or a batch transform from a container that someone started by hand."""
    several_models = environ.get("SAGEMAKER_MULTI_MODEL", "").lower() not in ("", "false")
    return several_models or any(environ.get(name) for name in PLATFORM)


def page_shown(environ: Mapping[str, str]) -> bool:
    """Decide whether ``GET /`` shows the page: where people can open it in a browser.

    ``TABULAR_PAGE``, on or off, decides otherwise.

    Raises
    ------
    UserError
        ``TABULAR_PAGE`` is anything else.
    """
    wanted = environ.get("TABULAR_PAGE", "").strip().lower()
    if wanted not in ("", "on", "off"):
        raise UserError(f"TABULAR_PAGE is {wanted!r}, expected 'on' or 'off'; correct or unset it")
    return wanted == "on" or (wanted != "off" and not in_sagemaker(environ))
