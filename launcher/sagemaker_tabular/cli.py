"""The command line: parse arguments, call the verb, print the result and how to delete it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import sagemaker_tabular
from sagemaker_tabular import foreground
from sagemaker_tabular import options as option
from sagemaker_tabular.errors import LauncherError
from sagemaker_tabular.prediction import DEFAULT_CONTENT_TYPE
from sagemaker_tabular.report import ReportingGroup, quiet_logs, say, suggest
from sagemaker_tabular.session import LOCAL_PORT, open_session, serving_port
from sagemaker_tabular.training import DEFAULT_MAX_RUN

if TYPE_CHECKING:
    from sagemaker.session import Session

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(debug: option.Debug = False) -> None:
    """Train and serve XGBoost and scikit-learn models on Amazon SageMaker, or on this machine.

    Defaults (role, bucket, VPC, KMS keys, tags) come from the SageMaker SDK's own configuration
    file, ~/.config/sagemaker/config.yaml.
    """
    quiet_logs(debug)


@app.command()
def push(
    repository: option.Repository = None,
    accelerator: option.Accelerator = None,
    platform: option.Platform = None,
    tag: option.Tag = None,
    latest: option.Latest = False,
    region: option.Region = None,
) -> None:
    """Build the image and push it to Amazon ECR; prints its URI.

    Needs Docker, AWS credentials and a checkout of the repository. Example:

    [bold]IMAGE=$(sagemaker-tabular push)[/]
    """
    uri = sagemaker_tabular.push(
        repository=repository,
        region=region,
        accelerator=accelerator,
        platform=platform,
        tag=tag,
        latest=latest,
    )
    typer.echo(uri)
    suggest("Delete it", f"aws ecr batch-delete-image {_ecr_image(uri)}")


@app.command()
def train(
    image: option.TrainingImage,
    channel: option.Channels,
    hyperparameter: option.Hyperparameters = None,
    output: option.Output = None,
    job_name: option.JobName = None,
    instance_count: option.InstanceCount = 1,
    instance_type: option.TrainingInstanceType = None,
    spot: option.Spot = False,
    max_run: option.MaxRun = DEFAULT_MAX_RUN,
    max_wait: option.MaxWait = None,
    checkpoint_s3_uri: option.CheckpointS3Uri = None,
    role: option.Role = None,
    region: option.Region = None,
    wait: option.Wait = True,
    local: option.Local = False,
) -> None:
    """Run a training job.

    Example, on this machine:

    [bold]sagemaker-tabular train --local --image sagemaker-tabular:local
    -c train=train.csv -H objective=binary:logistic -H num_round=100[/]
    """
    estimator = sagemaker_tabular.train(
        image,
        _pairs(channel, "--channel", "train=data/train.csv"),
        _pairs(hyperparameter or [], "--hyperparameter", "num_round=100"),
        role=role,
        instance_type=instance_type,
        instance_count=instance_count,
        spot=spot,
        max_run=max_run,
        max_wait=max_wait,
        checkpoint_s3_uri=checkpoint_s3_uri,
        output_path=output,
        job_name=job_name,
        wait=wait,
        local=local,
        session=_cloud_session(region, local),
    )
    job = estimator.latest_training_job.name
    say("Training job", job)
    if local:
        artifact = Path(estimator.model_data.removeprefix("file://"))
        say("Model", str(artifact))
        suggest("Serve it", f"sagemaker-tabular deploy --local --image {image} --model {artifact}")
        suggest("Delete it", f"rm -r {artifact.parent}")
        return
    stored = f"{estimator.output_path.rstrip('/')}/{job}"
    say("Model", f"{stored}/output/model.tar.gz")
    suggest("Serve it", f"sagemaker-tabular deploy --job {job}")
    suggest("Delete what it stored", f"aws s3 rm --recursive {stored}/")


@app.command()
def deploy(
    image: option.ServingImage = None,
    model: option.ModelData = None,
    job: option.Job = None,
    endpoint: option.NewEndpoint = None,
    instance_count: option.InstanceCount = 1,
    instance_type: option.ServingInstanceType = None,
    role: option.Role = None,
    region: option.Region = None,
    wait: option.Wait = True,
    local: option.Local = False,
    port: option.Port = None,
) -> None:
    """Serve a model on an endpoint.

    With --local it serves until Ctrl-C or SIGTERM, and then deletes the endpoint. Example:

    [bold]sagemaker-tabular deploy --job JOB --endpoint churn[/]
    """
    with foreground.interruptible():
        made = sagemaker_tabular.deploy(
            image,
            model,
            job_name=job,
            endpoint_name=endpoint,
            role=role,
            instance_type=instance_type,
            instance_count=instance_count,
            wait=wait,
            local=local,
            port=port,
            session=_cloud_session(region, local),
        )
        name = str(made.endpoint_name)
        say("Endpoint", name)
        say("Endpoint configuration", name)
        say("Model", str(made.name))
        if not local:
            suggest("Ask it", f"sagemaker-tabular predict --endpoint {name} rows.csv")
            suggest("Delete it", f"sagemaker-tabular delete --endpoint {name}")
            return
        listens = serving_port(made.sagemaker_session)
        flag = "" if listens == LOCAL_PORT else f" --port {listens}"
        say("Serving", f"http://localhost:{listens}, until Ctrl-C")
        suggest("Ask it", f"sagemaker-tabular predict --local{flag} rows.csv")
        suggest("Delete it", f"Ctrl-C, or sagemaker-tabular delete --local --endpoint {name}")
        foreground.wait_and_delete(made)
        say("Deleted", f"endpoint {name}")


@app.command()
def predict(
    file: option.Rows,
    endpoint: option.AskedEndpoint = None,
    content_type: option.ContentType = DEFAULT_CONTENT_TYPE,
    accept: option.Accept = None,
    region: option.Region = None,
    local: option.Local = False,
    port: option.Port = None,
) -> None:
    """Send rows to an endpoint; prints only the body of the response on standard output.

    Example:

    [bold]sagemaker-tabular predict --endpoint churn rows.csv > scores.csv[/]
    """
    if endpoint is None and not local:
        raise LauncherError("give the endpoint to ask: --endpoint NAME, or --local")
    answer = sagemaker_tabular.predict(
        endpoint or "local",
        sys.stdin.buffer.read() if str(file) == "-" else file,
        content_type=content_type,
        accept=accept,
        local=local,
        port=port,
        session=_cloud_session(region, local),
    )
    typer.echo(answer, nl=False)


@app.command()
def delete(
    endpoint: option.DeletedEndpoint = None,
    region: option.Region = None,
    local: option.Local = False,
) -> None:
    """Delete an endpoint with its configuration and its models; artifacts on S3 stay.

    Example:

    [bold]sagemaker-tabular delete --endpoint churn[/]
    """
    deletion = sagemaker_tabular.delete(
        endpoint, local=local, session=_cloud_session(region, local)
    )
    for part in deletion.deleted:
        say("Deleted", part)
    for part in deletion.missing:
        say("Gone already", part, "yellow")


def _pairs(values: list[str], flag: str, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, _, text = value.partition("=")
        if not name or not text:
            raise LauncherError(f"{flag} {value!r}: expected NAME=VALUE, such as {example}")
        if name in pairs:
            raise LauncherError(f"{flag} {name} is given twice; give it once")
        pairs[name] = text
    return pairs


def _cloud_session(region: str | None, local: bool) -> Session | None:
    return open_session(region=region) if region and not local else None


def _ecr_image(uri: str) -> str:
    repository, _, tag = uri.partition("/")[2].rpartition(":")
    return f"--repository-name {repository} --image-ids imageTag={tag}"
