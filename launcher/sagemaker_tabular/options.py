"""Options of the command line, each defined once with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagemaker_tabular.deployment import DEFAULT_INSTANCE_TYPE as SERVING_INSTANCE_TYPE
from sagemaker_tabular.session import LOCAL_PORT
from sagemaker_tabular.training import DEFAULT_INSTANCE_TYPE as TRAINING_INSTANCE_TYPE

_HERE, _AWS, _JOB = "Where", "AWS", "Training"

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the SDK's log.")]

Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Run in containers on this machine; needs Docker, but no AWS account.",
        rich_help_panel=_HERE,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        help="Port of the local endpoint.", show_default=str(LOCAL_PORT), rich_help_panel=_HERE
    ),
]
Region = Annotated[
    str | None,
    typer.Option(help="AWS region.", show_default="AWS configuration", rich_help_panel=_AWS),
]
Role = Annotated[
    str | None,
    typer.Option(
        help="ARN of the IAM role to run as.",
        show_default="SDK's configuration file",
        rich_help_panel=_AWS,
    ),
]
TrainingInstanceType = Annotated[
    str | None,
    typer.Option(
        "--instance-type",
        help="Kind of instance.",
        show_default=TRAINING_INSTANCE_TYPE,
        rich_help_panel=_AWS,
    ),
]
ServingInstanceType = Annotated[
    str | None,
    typer.Option(
        "--instance-type",
        help="Kind of instance.",
        show_default=SERVING_INSTANCE_TYPE,
        rich_help_panel=_AWS,
    ),
]
InstanceCount = Annotated[int, typer.Option(min=1, help="Number of instances or containers.")]
Wait = Annotated[
    bool, typer.Option(help="Wait until the verb is done, and show progress.", rich_help_panel=_AWS)
]

Repository = Annotated[
    str | None,
    typer.Option(
        help="ECR repository, created if it does not exist.", show_default="sagemaker-tabular"
    ),
]
Accelerator = Annotated[
    str | None, typer.Option(metavar="cpu|gpu", help="Accelerator.", show_default="cpu")
]
Platform = Annotated[
    str | None, typer.Option(help="Platform to build for.", show_default="linux/amd64")
]
Tag = Annotated[
    str | None, typer.Option(help="Tag of the image.", show_default="version and git commit")
]
Latest = Annotated[bool, typer.Option("--latest", help="Move the tag 'latest' too.")]

TrainingImage = Annotated[
    str, typer.Option("--image", help="The image: its ECR URI, or its name on this machine.")
]
Channels = Annotated[
    list[str],
    typer.Option(
        "--channel",
        "-c",
        metavar="NAME=PATH[;TYPE]",
        help="Data: a path or s3:// URI; the default content type is text/csv. Repeat for each "
        "channel: 'train', and optionally 'validation'.",
    ),
]
Hyperparameters = Annotated[
    list[str] | None,
    typer.Option(
        "--hyperparameter", "-H", metavar="NAME=VALUE", help="A hyperparameter. Repeat for each."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        help="Where models are written: an s3:// prefix; with --local a folder.",
        show_default="default bucket; ./output",
    ),
]
JobName = Annotated[
    str | None, typer.Option(help="Name of the training job.", show_default="a unique name")
]
Spot = Annotated[bool, typer.Option("--spot", help="Use spot instances.", rich_help_panel=_AWS)]
MaxRun = Annotated[
    int, typer.Option(min=1, help="Seconds that training may take.", rich_help_panel=_AWS)
]
MaxWait = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="With --spot: seconds for waiting and training.",
        show_default="twice --max-run",
        rich_help_panel=_AWS,
    ),
]
CheckpointS3Uri = Annotated[
    str | None,
    typer.Option(
        help="Where checkpoints are written.",
        show_default="with --spot: OUTPUT/JOB/checkpoints",
        rich_help_panel=_AWS,
    ),
]

ServingImage = Annotated[
    str | None, typer.Option("--image", help="The image.", show_default="the job's, with --job")
]
ModelData = Annotated[
    str | None,
    typer.Option("--model", metavar="PATH", help="The model.tar.gz: a path or an s3:// URI."),
]
Job = Annotated[
    str | None, typer.Option("--job", help="A finished training job, in place of --model.")
]
NewEndpoint = Annotated[
    str | None,
    typer.Option("--endpoint", help="Name of the endpoint.", show_default="a unique name"),
]

AskedEndpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Name of the endpoint; not needed with --local.")
]
Rows = Annotated[Path, typer.Argument(metavar="FILE", help="The rows; - reads stdin.")]
ContentType = Annotated[str, typer.Option(help="Content type of the rows.")]
Accept = Annotated[
    str | None,
    typer.Option(help="Content type of the response.", show_default="the container's"),
]
DeletedEndpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", help="Name of the endpoint; optional with --local, which then deletes all."
    ),
]
