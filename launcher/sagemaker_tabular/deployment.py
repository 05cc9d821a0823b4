"""The verb deploy: create a Model and serve it on an endpoint."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sagemaker_tabular import containers
from sagemaker_tabular.artifact import check_artifact, stage_artifact
from sagemaker_tabular.deletion import delete
from sagemaker_tabular.errors import LauncherError, is_not_found
from sagemaker_tabular.names import BASE_NAME, check_name, unique_name
from sagemaker_tabular.session import open_session, resolve_role, serving_port

if TYPE_CHECKING:
    from sagemaker.model import Model
    from sagemaker.session import Session

DEFAULT_INSTANCE_TYPE = "ml.m5.large"


def deploy(
    image_uri: str | None = None,
    model_data: str | Path | None = None,
    *,
    job_name: str | None = None,
    endpoint_name: str | None = None,
    role: str | None = None,
    instance_type: str | None = None,
    instance_count: int = 1,
    wait: bool = True,
    local: bool = False,
    port: int | None = None,
    session: Session | None = None,
) -> Model:
    """Serve a model artifact, or the model of a finished training job, on an endpoint.

    Parameters
    ----------
    image_uri : str, optional
        The image. With ``job_name`` the default is the job's image.
    model_data : str or Path, optional
        The artifact, a ``model.tar.gz``, on S3 or on this machine. A local artifact is uploaded to
        the session's default bucket; local mode unpacks it.
    job_name : str, optional
        In place of ``model_data``: a training job on SageMaker that is Completed or Stopped.
    endpoint_name : str, optional
        Name of the endpoint, by default a unique name.
    role : str, optional
        ARN of the IAM role; by default the role in the SDK's configuration file.
    instance_type : str, optional
        ``ml.m5.large`` by default, ``local`` in local mode.
    wait : bool
        Return when the endpoint is in service. Local mode always waits.
    local : bool
        Serve in a container of this machine, on ``localhost``. This needs Docker, but no AWS
        account unless the model is on S3. There is one local endpoint per port. The process ends
        only after :func:`delete`.
    port : int, optional
        Port of a local endpoint, 8080 by default.
    session : Session, optional
        The SDK's session to use; a LocalSession means local mode.

    Returns
    -------
    sagemaker.model.Model
        The deployed model: ``endpoint_name`` is the endpoint's name, ``name`` the model's name.

    Raises
    ------
    LauncherError
        The artifact is missing, the job is unknown or has no model, the endpoint exists or the
        port is in use; then nothing is created.
    sagemaker.exceptions.UnexpectedStatusException
        The endpoint failed on SageMaker; :func:`delete` deletes what was created.

    Examples
    --------
    >>> deploy(job_name="sagemaker-tabular-2026-01-31-12-00-00-000", instance_count=2)
    """
    local = local or bool(session is not None and session.local_mode)
    if (model_data is None) == (job_name is None):
        raise LauncherError("give either a model artifact (--model) or a finished job (--job)")
    if job_name is None and image_uri is None:
        raise LauncherError("give the image that serves the model: --image")
    artifact = check_artifact(model_data) if model_data else ""
    name = check_name("endpoint", endpoint_name) if endpoint_name else unique_name(BASE_NAME)
    if session is None:
        session = open_session(local, labels={containers.ENDPOINT_LABEL: name}, port=port)
    image = image_uri or ""
    if job_name is not None:
        job_image, artifact = _finished_job(job_name, session)
        image = image or job_image
    if local:
        containers.require_image(image)
        containers.require_free_port(serving_port(session))
    else:
        _require_unused(name, session)
    from sagemaker.model import Model

    model = Model(
        image,
        model_data=stage_artifact(artifact, session, f"{BASE_NAME}/{name}/model"),
        role=resolve_role(role, session, "SageMaker.Model.ExecutionRoleArn"),
        name=unique_name(name),
        sagemaker_session=session,
    )
    try:
        model.deploy(
            initial_instance_count=instance_count,
            instance_type=instance_type or ("local" if local else DEFAULT_INSTANCE_TYPE),
            endpoint_name=name,
            # In local mode the SDK has already waited for /ping; wait=True would add 30 s.
            wait=wait and not local,
        )
        if local:
            _require_in_service(name, session)
    except BaseException:
        if local:
            with suppress(Exception):
                delete(name, session=session)
        raise
    return model


def _finished_job(job_name: str, session: Session) -> tuple[str, str]:
    """Return image and artifact URI of a training job on SageMaker."""
    described_by = open_session() if session.local_mode else session
    try:
        job = described_by.describe_training_job(job_name)
    except ClientError as error:
        if not is_not_found(error):
            raise
        raise LauncherError(
            f"there is no training job {job_name} in {described_by.boto_region_name}. For a "
            "job of local mode give the artifact: --model output/JOB/model.tar.gz"
        ) from error
    status = job["TrainingJobStatus"]
    if status not in ("Completed", "Stopped"):
        reason = job.get("FailureReason")
        raise LauncherError(
            f"training job {job_name} is {status}"
            + (f": {reason}" if reason else "")
            + ". Only a job that is Completed or Stopped has a model to deploy"
        )
    return (
        job["AlgorithmSpecification"]["TrainingImage"],
        job["ModelArtifacts"]["S3ModelArtifacts"],
    )


def _require_in_service(endpoint_name: str, session: Session) -> None:
    endpoint = session.sagemaker_client.describe_endpoint(EndpointName=endpoint_name)
    # The SDK's telemetry suppresses KeyboardInterrupt; the status shows it.
    if endpoint["EndpointStatus"] != "InService":
        raise LauncherError(f"the deployment of endpoint {endpoint_name} was interrupted")


def _require_unused(endpoint_name: str, session: Session) -> None:
    try:
        endpoint = session.sagemaker_client.describe_endpoint(EndpointName=endpoint_name)
    except ClientError as error:
        if is_not_found(error):
            return
        raise
    raise LauncherError(
        f"endpoint {endpoint_name} exists already and is {endpoint['EndpointStatus']}. Delete it "
        f"('sagemaker-tabular delete --endpoint {endpoint_name}') or choose another name"
    )
