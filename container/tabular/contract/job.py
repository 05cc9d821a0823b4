"""The configuration of one training job: read once, from SageMaker's files and variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.channels import Channel, read_channels
from tabular.contract.config_file import given, read_object, require_text
from tabular.contract.errors import UserError
from tabular.contract.hosts import Hosts, read_hosts
from tabular.contract.hyperparameters import decode_all
from tabular.contract.paths import Paths
from tabular.contract.script import TrainingScript, read_script

# Linux allows 255 and 4,095 bytes. The rest is for the file names of the checkpoints.
NAME_BYTES, PATH_BYTES = 255, 4000


@dataclass(frozen=True)
class TrainingJob:
    """The configuration of a job.

    Attributes
    ----------
    name : str
        ``TRAINING_JOB_NAME``; ``""`` outside SageMaker.
    hyperparameters : Mapping[str, object]
        Decoded values, see ``tabular.contract.hyperparameters``.
    channels : Mapping[str, Channel]
        The channels by name, sorted.
    checkpoints : Path or None
        The checkpoint folder; None when the job has no ``CheckpointConfig``.
    resource_config, input_data_config : Mapping[str, object]
        The content of the two files, for ``SM_RESOURCE_CONFIG`` and ``SM_INPUT_DATA_CONFIG``.
    script : TrainingScript or None
        The customer's program in script mode; None in algorithm mode.
    """

    name: str
    paths: Paths
    hyperparameters: Mapping[str, object]
    channels: Mapping[str, Channel]
    hosts: Hosts
    checkpoints: Path | None
    resource_config: Mapping[str, object]
    input_data_config: Mapping[str, object]
    script: TrainingScript | None = None


def read_job(environ: Mapping[str, str]) -> TrainingJob:
    """Read the configuration of this container's training job.

    Parameters
    ----------
    environ : Mapping[str, str]
        The process environment: ``SAGEMAKER_BASE_DIR``, ``TRAINING_JOB_NAME``, and the variables
        that ``tabular.contract.script`` reads.

    Raises
    ------
    UserError
        A configuration file can't be read; the message names the file.
    """
    paths = Paths.of(environ)
    input_data_config = read_object(paths.input_data_config)
    resource_config = read_object(paths.resource_config)
    raw = given(read_object(paths.hyperparameters))
    script = read_script(raw, environ)
    return TrainingJob(
        name=environ.get("TRAINING_JOB_NAME", ""),
        paths=paths,
        hyperparameters=decode_all(raw, python_literals=script is None),
        channels=read_channels(given(input_data_config), paths),
        hosts=read_hosts(given(resource_config), paths),
        checkpoints=_checkpoints(paths),
        resource_config=resource_config,
        input_data_config=input_data_config,
        script=script,
    )


def _checkpoints(paths: Paths) -> Path | None:
    # SageMaker writes the file only for jobs with a CheckpointConfig.
    file = paths.checkpoint_config
    if not file.exists() and not file.is_symlink():
        return None
    local_path = given(read_object(file)).get("LocalPath", "/opt/ml/checkpoints")
    where = f"{file}: LocalPath"
    folder = require_text(local_path, where, "an absolute path")
    if not folder.startswith("/"):
        raise UserError(f"{where} is {folder[:80]!r}, expected an absolute path")
    longest = max(len(os.fsencode(part)) for part in folder.split("/"))
    if longest > NAME_BYTES or len(os.fsencode(folder)) > PATH_BYTES:
        raise UserError(
            f"{where} is {folder[:80]!r}…, expected a path of at most {PATH_BYTES} bytes, with at "
            f"most {NAME_BYTES} for each folder"
        )
    return Path(folder)
