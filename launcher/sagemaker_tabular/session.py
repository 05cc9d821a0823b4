"""The SDK's session: in the cloud, or local mode on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3

from sagemaker_tabular.containers import require_engine
from sagemaker_tabular.errors import LauncherError

if TYPE_CHECKING:
    from sagemaker.session import Session

# Local mode never calls AWS, but the SDK requires a region and a role.
LOCAL_REGION = "us-east-1"
LOCAL_ROLE = "arn:aws:iam::111111111111:role/local-mode"
LOCAL_PORT = 8080
CONFIG_FILE = "~/.config/sagemaker/config.yaml"


def open_session(
    local: bool = False,
    *,
    region: str | None = None,
    labels: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Session:
    """Open a session with the defaults of the SDK's own configuration file.

    Parameters
    ----------
    local : bool
        Local mode: containers on this machine, no AWS account and no credentials.
    region : str, optional
        AWS region; by default ``AWS_REGION`` or the region of the AWS configuration.
    labels : Mapping[str, str], optional
        Docker labels of the containers that local mode starts.
    port : int, optional
        Port of a local endpoint; by default ``local.serving_port`` of
        ``~/.sagemaker/config.yaml``, or 8080.

    Raises
    ------
    LauncherError
        Local mode finds no Docker engine, or a session for AWS has no region.
    """
    if local:
        return _open_local_session(region, labels or {}, port)
    boto_session = _boto_session(region)
    if boto_session.region_name is None:
        raise LauncherError(
            "no AWS region was found. Give --region, set AWS_REGION, or run 'aws configure'; or "
            "add --local to run on this machine without AWS"
        )
    from sagemaker.session import Session

    return Session(boto_session=boto_session, sagemaker_config=_defaults())


def serving_port(session: Session) -> int:
    """Return the port of the session's local endpoint."""
    return int(((session.config or {}).get("local") or {}).get("serving_port") or LOCAL_PORT)


def resolve_role(role: str | None, session: Session, config_path: str) -> str:
    """Return the IAM role: the argument, or the role in the SDK's configuration file.

    Parameters
    ----------
    config_path : str
        Path in the SDK's configuration file, such as ``SageMaker.TrainingJob.RoleArn``.

    Raises
    ------
    LauncherError
        Neither the argument nor the file has a role.
    """
    from sagemaker.utils import resolve_value_from_config

    if session.local_mode:
        return role or LOCAL_ROLE
    found = resolve_value_from_config(role, config_path, sagemaker_session=session)
    if not found:
        raise LauncherError(
            "no IAM role was given. Give --role with the ARN of a role that SageMaker may "
            f"assume, or set {config_path} in {CONFIG_FILE}"
        )
    return str(found)


def _open_local_session(region: str | None, labels: Mapping[str, str], port: int | None) -> Session:
    require_engine()
    from sagemaker.local import LocalSession

    boto_session = _boto_session(region)
    if boto_session.region_name is None:
        boto_session = _boto_session(LOCAL_REGION)
    session = LocalSession(boto_session=boto_session, sagemaker_config=_defaults())
    session.config = _local_config(session.config, labels, port)
    return session


def _boto_session(region: str | None) -> boto3.Session:
    # Unlike AWS's other tools, boto3 does not read AWS_REGION.
    return boto3.Session(region_name=region or os.environ.get("AWS_REGION"))


def _defaults() -> dict[str, Any]:
    """Read the SDK's configuration files. Telemetry is off unless a file turns it on."""
    from sagemaker.config import load_sagemaker_config

    config: dict[str, Any] = {"SchemaVersion": "1.0"} | load_sagemaker_config()
    modules = (
        config.setdefault("SageMaker", {}).setdefault("PythonSDK", {}).setdefault("Modules", {})
    )
    modules.setdefault("TelemetryOptOut", True)
    return config


def _local_config(
    config: Mapping[str, Any] | None, labels: Mapping[str, str], port: int | None
) -> dict[str, Any]:
    local = dict((config or {}).get("local") or {})
    container = dict(local.get("container_config") or {})
    given = container.get("labels") or {}
    if isinstance(given, list):
        given = dict(label.partition("=")[::2] for label in given)
    container["labels"] = {**given, **labels}
    # With local_code the SDK does not upload to S3.
    local |= {"local_code": True, "container_config": container}
    if port is not None:
        local["serving_port"] = port
    return {"local": local}
