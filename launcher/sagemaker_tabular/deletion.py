"""The verb delete: delete an endpoint with its configuration and its models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagemaker_tabular import containers
from sagemaker_tabular.artifact import unpacked_folder
from sagemaker_tabular.errors import LauncherError, is_not_found
from sagemaker_tabular.session import open_session

if TYPE_CHECKING:
    from sagemaker.session import Session


@dataclass(frozen=True)
class Deletion:
    """The resources that :func:`delete` deleted, and those that did not exist.

    Attributes
    ----------
    deleted, missing : tuple of str
        Such as ``"endpoint churn"``, ``"endpoint configuration churn"``, ``"model churn-2026"``.
    """

    deleted: tuple[str, ...]
    missing: tuple[str, ...]


def delete(
    endpoint_name: str | None = None, *, local: bool = False, session: Session | None = None
) -> Deletion:
    """Delete an endpoint with its configuration and its models.

    Parameters
    ----------
    endpoint_name : str, optional
        None deletes every endpoint that this launcher started on this machine; local mode only.
    local : bool
        Delete a local endpoint, also one that another process left running.
    session : Session, optional
        The SDK's session to use; a LocalSession means local mode.

    Returns
    -------
    Deletion
        The deleted resources, and those that did not exist. The artifact on S3 is not deleted.

    Raises
    ------
    LauncherError
        Neither the endpoint nor its configuration or models exist.

    Examples
    --------
    >>> delete("churn").deleted
    ('endpoint churn', 'endpoint configuration churn', 'model churn-2026-01-31-12-00-00-000')
    """
    local = local or bool(session is not None and session.local_mode)
    if endpoint_name is None and not local:
        raise LauncherError("give the endpoint to delete: --endpoint NAME")
    session = session or open_session(local)
    deletion = (
        _delete_local(endpoint_name, session)
        if local
        else _delete_resources(str(endpoint_name), session)
    )
    if not deletion.deleted:
        raise LauncherError(
            f"there is no endpoint {endpoint_name or 'of this launcher'} to delete. Check its "
            "name" + ("" if local else ", the region and the account")
        )
    return deletion


def _delete_local(endpoint_name: str | None, session: Session) -> Deletion:
    found = containers.find_by_label(containers.ENDPOINT_LABEL, endpoint_name)
    names = {containers.label_of(container, containers.ENDPOINT_LABEL) for container in found}
    if endpoint_name:
        names.add(endpoint_name)
    parts = [_delete_resources(name, session) for name in sorted(names)]
    # Compose does not remove stopped containers. The SDK's records exist only in the process that
    # deployed; the container may still run.
    containers.remove(found)
    if not found:
        return Deletion(
            tuple(part for each in parts for part in each.deleted),
            tuple(part for each in parts for part in each.missing),
        )
    recorded = [part for each in parts for part in each.deleted]
    stopped = [f"endpoint {name}" for name in sorted(names)]
    return Deletion(tuple(dict.fromkeys(stopped + recorded)), ())


def _delete_resources(endpoint_name: str, session: Session) -> Deletion:
    client = session.sagemaker_client
    endpoint = _described(client.describe_endpoint, EndpointName=endpoint_name)
    # deploy gives the configuration the endpoint's name, so it is found without the endpoint.
    config_name = endpoint["EndpointConfigName"] if endpoint else endpoint_name
    config = _described(client.describe_endpoint_config, EndpointConfigName=config_name)
    variants = config["ProductionVariants"] if config else []
    models = [variant["ModelName"] for variant in variants if "ModelName" in variant]
    unpacked = [_unpacked_model(name, session) for name in models if session.local_mode]
    steps: list[tuple[str, Callable[[], Any] | None]] = [
        (
            f"endpoint {endpoint_name}",
            # A local endpoint can be stopped only once. After that the endpoint's record exists,
            # but the configuration does not.
            (lambda: client.delete_endpoint(EndpointName=endpoint_name))
            if endpoint and (config or not session.local_mode)
            else None,
        ),
        (
            f"endpoint configuration {config_name}",
            (lambda: client.delete_endpoint_config(EndpointConfigName=config_name))
            if config
            else None,
        ),
        *(
            (f"model {name}", lambda name=name: client.delete_model(ModelName=name))
            for name in dict.fromkeys(models)
        ),
    ]
    deleted: list[str] = []
    missing: list[str] = []
    for part, step in steps:
        (deleted if step and _described(step) is not None else missing).append(part)
    for folder in filter(None, unpacked):
        shutil.rmtree(folder, ignore_errors=True)
    return Deletion(tuple(deleted), tuple(missing))


def _described(call: Callable[..., Any], **arguments: str) -> Any:
    """Return the result of a call (True if empty), or None if the resource does not exist."""
    try:
        return call(**arguments) or True
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


def _unpacked_model(model_name: str, session: Session) -> Path | None:
    model = _described(session.sagemaker_client.describe_model, ModelName=model_name)
    return unpacked_folder(model["PrimaryContainer"]["ModelDataUrl"]) if model else None
