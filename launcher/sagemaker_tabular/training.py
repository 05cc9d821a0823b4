"""The verb train: create an Estimator and fit it."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from botocore.exceptions import ClientError

from sagemaker_tabular import containers
from sagemaker_tabular.channel import parse_channels, training_input
from sagemaker_tabular.errors import LauncherError
from sagemaker_tabular.metrics import metric_definitions
from sagemaker_tabular.names import BASE_NAME, check_name, unique_name
from sagemaker_tabular.session import open_session, resolve_role

if TYPE_CHECKING:
    from sagemaker.estimator import Estimator
    from sagemaker.inputs import TrainingInput
    from sagemaker.session import Session

DEFAULT_INSTANCE_TYPE = "ml.m5.xlarge"
DEFAULT_MAX_RUN = 24 * 60 * 60
LOCAL_OUTPUT = Path("output")


def train(
    image_uri: str,
    channels: Mapping[str, str | Path | TrainingInput],
    hyperparameters: Mapping[str, object] | None = None,
    *,
    role: str | None = None,
    instance_type: str | None = None,
    instance_count: int = 1,
    spot: bool = False,
    max_run: int = DEFAULT_MAX_RUN,
    max_wait: int | None = None,
    checkpoint_s3_uri: str | None = None,
    output_path: str | Path | None = None,
    job_name: str | None = None,
    wait: bool = True,
    local: bool = False,
    session: Session | None = None,
) -> Estimator:
    """Run a training job with the image.

    Parameters
    ----------
    image_uri : str
        The image; in ECR, or on this machine for local mode.
    channels : Mapping[str, str | Path | TrainingInput]
        Data by channel name: an ``s3://`` URI or a path, followed by ``;CONTENT_TYPE`` if the
        content type is not ``text/csv``. Local files and folders are uploaded to the session's
        default bucket; local mode mounts them. A TrainingInput is passed on unchanged.
    hyperparameters : Mapping[str, object], optional
        SageMaker accepts only strings, so other values are converted with ``str``, and lists to
        comma separated text.
    role : str, optional
        ARN of the IAM role; by default the role in the SDK's configuration file.
    instance_type : str, optional
        ``ml.m5.xlarge`` by default, ``local`` in local mode.
    spot : bool
        Train on spot instances. Checkpoints are configured, so that an interrupted XGBoost job
        resumes.
    max_run : int
        Seconds that training may take.
    max_wait : int, optional
        Limit in seconds for waiting for spot instances plus training; twice ``max_run`` by default.
    checkpoint_s3_uri : str, optional
        Where checkpoints are written; with ``spot`` by default
        ``<output_path>/<job name>/checkpoints``.
    output_path : str or Path, optional
        Where the model is written: an ``s3://`` prefix; by default the session's default bucket.
        In local mode a folder, ``output`` by default, with a subfolder per job.
    job_name : str, optional
        Name of the training job, by default a unique name.
    wait : bool
        Show the log, and return when the job has ended. Local mode always waits.
    local : bool
        Train in containers on this machine. This needs Docker, but no AWS account.
    session : Session, optional
        The SDK's session to use; a LocalSession means local mode.

    Returns
    -------
    sagemaker.estimator.Estimator
        The fitted estimator. ``model_data`` is the URI of the model, ``latest_training_job`` the
        job.

    Raises
    ------
    LauncherError
        A channel, name or limit is wrong (then nothing is created), or local training failed.
    sagemaker.exceptions.UnexpectedStatusException
        The job failed on SageMaker.

    Examples
    --------
    >>> train(
    ...     "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tabular:1.0",
    ...     {"train": "train.csv", "validation": "s3://bucket/validation/"},
    ...     {"objective": "binary:logistic", "num_round": 200},
    ...     spot=True,
    ... )
    """
    local = local or bool(session is not None and session.local_mode)
    parsed = parse_channels(channels)
    _check_spot(spot, max_run, max_wait, checkpoint_s3_uri, local)
    name = check_name("job", job_name) if job_name else unique_name(BASE_NAME)
    if session is None:
        session = open_session(local, labels={containers.JOB_LABEL: name})
    if local:
        containers.require_image(image_uri)
    from sagemaker.estimator import Estimator

    output = _output_path(output_path, name, session, spot)
    settings = {key: _text(value) for key, value in (hyperparameters or {}).items()}
    estimator = Estimator(
        image_uri,
        role=resolve_role(role, session, "SageMaker.TrainingJob.RoleArn"),
        instance_count=instance_count,
        instance_type=instance_type or ("local" if local else DEFAULT_INSTANCE_TYPE),
        output_path=output,
        sagemaker_session=session,
        hyperparameters=settings,
        metric_definitions=metric_definitions(settings, parsed) or None,
        max_run=max_run,
        # The image has neither the debugger's nor the profiler's library.
        debugger_hook_config=False,
        disable_profiler=True,
        **_spot_arguments(spot, max_run, max_wait, checkpoint_s3_uri, f"{output}/{name}"),
    )
    with tempfile.TemporaryDirectory(prefix="sagemaker-tabular-", ignore_cleanup_errors=True) as d:
        inputs = {
            key: training_input(channel, session, f"{BASE_NAME}/{name}/input", Path(d).resolve())
            for key, channel in parsed.items()
        }
        with _local_job(name, session, output) if local else nullcontext():
            estimator.fit(inputs, wait=wait, job_name=name)
    return estimator


def _check_spot(
    spot: bool, max_run: int, max_wait: int | None, checkpoint_s3_uri: str | None, local: bool
) -> None:
    if local and (spot or checkpoint_s3_uri):
        raise LauncherError(
            "local mode has no spot instances and no checkpoints on S3: leave --spot and "
            "--checkpoint-s3-uri out, or leave --local out"
        )
    if max_wait is not None and not spot:
        raise LauncherError("--max-wait is for spot instances: add --spot, or leave --max-wait out")
    if max_wait is not None and max_wait < max_run:
        raise LauncherError(
            f"--max-wait is {max_wait} s, less than --max-run, {max_run} s. --max-wait includes "
            f"the training time: give at least {max_run}"
        )


def _spot_arguments(
    spot: bool, max_run: int, max_wait: int | None, checkpoint_s3_uri: str | None, job_output: str
) -> dict[str, Any]:
    if not spot:
        return {"checkpoint_s3_uri": checkpoint_s3_uri}
    return {
        "use_spot_instances": True,
        "max_wait": max_wait or 2 * max_run,
        "checkpoint_s3_uri": checkpoint_s3_uri or f"{job_output}/checkpoints",
    }


def _output_path(
    output_path: str | Path | None, name: str, session: Session, spot: bool
) -> str | None:
    given = str(output_path).rstrip("/") if output_path else None
    if given and given.startswith("s3://"):
        return given
    if session.local_mode:
        folder = Path((given or str(LOCAL_OUTPUT)).removeprefix("file://")).expanduser().resolve()
        return (folder / name).as_uri()
    if given:
        raise LauncherError(
            f"--output is {given!r}: a job on SageMaker can only write to S3. Give an s3:// "
            "prefix, or add --local"
        )
    if not spot:
        return None
    return "/".join(
        filter(None, (f"s3://{session.default_bucket()}", session.default_bucket_prefix))
    )


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@contextmanager
def _local_job(name: str, session: Session, output: str | None) -> Iterator[None]:
    """Raise the failure reason of the container, and remove stopped containers."""
    failed = False
    try:
        yield
    except RuntimeError as error:
        # The SDK's message has the exit code and the whole Compose command, but no reason.
        if "exited with code" not in str(error):
            raise
        failed = True
    finally:
        containers.remove(containers.find_by_label(containers.JOB_LABEL, name))
    reason = _failure(output)
    if failed or reason:
        raise LauncherError(
            f"training job {name} failed: {reason or 'see the log of the container above'}"
        )
    try:
        session.describe_training_job(name)
    except ClientError as error:
        # The SDK's telemetry suppresses KeyboardInterrupt. An interrupted job has no record.
        raise LauncherError(f"training job {name} was interrupted") from error


def _failure(output: str | None) -> str | None:
    """Return the first line of the job's failure file, or None."""
    archive = Path(unquote(urlparse(output or "").path), "output.tar.gz")
    if not (output or "").startswith("file://") or not archive.is_file():
        return None
    with tarfile.open(archive) as tar:
        if "failure" not in tar.getnames():
            return None
        member = tar.extractfile("failure")
        text = member.read().decode(errors="replace") if member else ""
    return re.split(r"[\r\n]", text.strip())[0] or None
